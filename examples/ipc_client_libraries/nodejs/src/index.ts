/** Talk to Acton actors over their Unix socket. */

export type { CallOptions } from './call.js';
export {
  ActonClient,
  type ClientOptions,
  type DiscoverOptions,
  type Discovery,
  type ExposedActor,
  type Response,
  type Stream,
} from './client.js';
export * from './errors.js';
export { MAX_FRAME_SIZE } from './frames.js';
export type { Push, Subscription } from './subscription.js';
