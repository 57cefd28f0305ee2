/** Talk to Acton actors over their Unix socket. */

export type { ReconnectOptions } from './backoff.js';
export {
  ActonClient,
  type CallOptions,
  type ClientOptions,
  type DiscoverOptions,
  type MessageOptions,
  type Reply,
} from './client.js';
export type { Clock, Timer } from './clock.js';
export type {
  Capabilities,
  Discovery,
  DiscoveryRequest,
  ExposedActor,
  ProtocolInfo,
} from './discovery.js';
export {
  ActonError,
  ActorNotFoundError,
  ActorStoppedError,
  AskCycleError,
  CancelledError,
  ClientClosedError,
  ConnectError,
  ConnectionRefusedError,
  FrameTooLargeError,
  HandlerFailedError,
  NoReplyError,
  PeerLostError,
  ProtocolError,
  RateLimitedError,
  RejectedError,
  RequestError,
  SerializationError,
  ShuttingDownError,
  StreamError,
  StreamOverrunError,
  TargetBusyError,
  TimeoutError,
  UnknownMessageTypeError,
  UnsupportedError,
  type ErrorCode,
  type Failure,
} from './errors.js';
export { MAX_FRAME_SIZE, type Version } from './frames.js';
export type { MessagePackCodec } from './messagepack.js';
export type { Stream } from './stream.js';
export type { Push, Subscription } from './subscription.js';
