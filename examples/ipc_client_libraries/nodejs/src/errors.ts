/** What can go wrong, one class for each thing a caller may want to tell apart. */

/** Base of every error this package makes; a call cut by a signal rejects with its reason. */
export class ActonError extends Error {
  override get name(): string {
    return this.constructor.name;
  }

  /**
   * Whether the message was not handled and will not be, so that it may be
   * sent again.  `false` means that nobody knows, or that it was handled.
   */
  get isSafeToRepeat(): boolean {
    return false;
  }
}

/** Nobody listens at the path, or we may not open it. */
export class ConnectError extends ActonError {
  override get isSafeToRepeat(): boolean {
    return true;
  }
}

/** The server refused the connection, and has handled nothing that came over it. */
export class ConnectionRefusedError extends ActonError {
  /** `CONNECTION_LIMIT_REACHED`, `ACCESS_DENIED`, or a code of the future. */
  readonly code: ErrorCode;
  /** How many connections the server allows, if that is the reason. */
  readonly limit: number | undefined;

  constructor(failure: Failure) {
    super(describe(failure));
    this.code = failure.code;
    this.limit = limitOf(failure.payload);
  }

  override get isSafeToRepeat(): boolean {
    return this.code === 'CONNECTION_LIMIT_REACHED' || this.code === 'ACCESS_DENIED';
  }
}

/** The connection has ended before the answer; nobody knows whether the message was handled. */
export class PeerLostError extends ActonError {
  constructor(
    message: string,
    /** What the server said about the connection before it closed, if anything. */
    readonly lastWords: RequestError | undefined = undefined,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? {} : { cause });
  }
}

/** This client was closed while the call waited, or before it was made. */
export class ClientClosedError extends ActonError {}

/** The server sent something that is not the protocol. */
export class ProtocolError extends ActonError {}

/** The message is larger than a frame may be; nothing was sent. */
export class FrameTooLargeError extends ActonError {
  constructor(
    /** Bytes of the message. */
    readonly size: number,
    /** Bytes that a frame may have. */
    readonly limit: number,
  ) {
    super(`message of ${size} bytes exceeds the limit of ${limit}`);
  }

  override get isSafeToRepeat(): boolean {
    return true;
  }
}

/** Version 1 of the protocol, which this client was told to speak, does not have this. */
export class UnsupportedError extends ActonError {
  override get isSafeToRepeat(): boolean {
    return true;
  }
}

/** A stream was read too slowly, while others needed the connection to be read. */
export class StreamOverrunError extends ActonError {}

/** The codes servers are known to answer with; there may be others. */
export type ErrorCode =
  | 'ACCESS_DENIED'
  | 'ACTOR_NOT_FOUND'
  | 'ASK_CYCLE'
  | 'CANCELLED'
  | 'CONNECTION_CLOSED'
  | 'CONNECTION_LIMIT_REACHED'
  | 'HANDLER_FAILED'
  | 'IO_ERROR'
  | 'PROTOCOL_ERROR'
  | 'RATE_LIMITED'
  | 'REJECTED'
  | 'SERIALIZATION_ERROR'
  | 'SHUTTING_DOWN'
  | 'STREAM_ERROR'
  | 'TARGET_BUSY'
  | 'TIMEOUT'
  | 'UNKNOWN'
  | 'UNKNOWN_MESSAGE_TYPE'
  | 'UNSUPPORTED_PROTOCOL_VERSION'
  | (string & {});

/** The part of an answer that tells of an error. */
export interface Failure {
  /** `UNKNOWN` if the server gave none. */
  readonly code: ErrorCode;
  /** For people. */
  readonly text: string;
  /** The facts, if there are any. */
  readonly payload: unknown;
  /** Name of the type of `payload`, if it has one. */
  readonly messageType: string | undefined;
}

// Codes that say: not handled, and will not be.
const NOT_HANDLED: ReadonlySet<string> = new Set([
  'ACTOR_NOT_FOUND',
  'ASK_CYCLE',
  'PROTOCOL_ERROR',
  'RATE_LIMITED',
  'SHUTTING_DOWN',
  'TARGET_BUSY',
  'UNKNOWN_MESSAGE_TYPE',
]);

/** The request failed: its answer is an error.  Codes of note have a class below. */
export class RequestError extends ActonError {
  readonly code: ErrorCode;
  /** The server's words. */
  readonly text: string;
  readonly payload: unknown;

  constructor(failure: Failure) {
    super(describe(failure));
    this.code = failure.code;
    this.text = failure.text;
    this.payload = failure.payload;
  }

  override get isSafeToRepeat(): boolean {
    return NOT_HANDLED.has(this.code);
  }
}

/** No actor is exposed under this name. */
export class ActorNotFoundError extends RequestError {}

/** The actor has stopped, before the message or after. */
export class ActorStoppedError extends RequestError {}

/** The answer would have to wait for the asker itself. */
export class AskCycleError extends RequestError {
  /** The actors in a circle, if the server says. */
  get path(): readonly string[] {
    const path = objectOf(this.payload)?.['path'];
    return Array.isArray(path) ? path.map(String) : [];
  }
}

/** The request was given up at this client's wish. */
export class CancelledError extends RequestError {}

/** The actor failed while handling the message. */
export class HandlerFailedError extends RequestError {}

/** The actor has handled the message, and replied nothing. */
export class NoReplyError extends RequestError {}

/** This connection sends too fast. */
export class RateLimitedError extends RequestError {
  /** Milliseconds after which there is room again, as the server says; 0 is less than one. */
  get retryAfterMs(): number {
    return Number(/retry after (\d+)ms/.exec(this.text)?.[1] ?? 0);
  }
}

/** The actor refused the message: an answer, and no fault. */
export class RejectedError extends RequestError {
  /** Name of the rejection's type, if its type travels. */
  readonly messageType: string | undefined;

  constructor(failure: Failure) {
    super(failure);
    this.messageType = failure.messageType;
  }

  /** The rejection's fields, if its type travels. */
  get fields(): Readonly<Record<string, unknown>> | undefined {
    return objectOf(this.payload);
  }
}

/** The payload does not fit the message type, or the reply cannot travel. */
export class SerializationError extends RequestError {}

/** The server finishes what it has and takes nothing new. */
export class ShuttingDownError extends RequestError {}

/** The stream could not begin, or was cut. */
export class StreamError extends RequestError {
  /** Whether there were replies before. */
  hasBegun = false;

  override get isSafeToRepeat(): boolean {
    return !this.hasBegun;
  }
}

/** The actor's inbox is full; the message was not delivered. */
export class TargetBusyError extends RequestError {}

/** The server has no message of this name, or the actor no handler for it. */
export class UnknownMessageTypeError extends RequestError {}

/** No answer in time, by the server's clock or by ours; the actor may still handle the message. */
export class TimeoutError extends RequestError {
  /** Whether the server said nothing, and our own clock ended the wait. */
  readonly isLocal: boolean;
  /** Whether the message has left this client. */
  readonly isSent: boolean;

  constructor(failure: Failure, isLocal = false, isSent = true) {
    super(failure);
    this.isLocal = isLocal;
    this.isSent = isSent;
  }

  /** Returns the error of a call that has waited so long, in milliseconds. */
  static local(waited: number, isSent: boolean): TimeoutError {
    const text = `no ${isSent ? 'answer' : 'connection'} in ${waited} ms`;
    const failure = { code: 'TIMEOUT', text, payload: undefined, messageType: undefined };
    return new TimeoutError(failure, true, isSent);
  }

  override get isSafeToRepeat(): boolean {
    return !this.isSent;
  }
}

const CLASSES: Readonly<Record<string, new (failure: Failure) => RequestError>> = {
  ACTOR_NOT_FOUND: ActorNotFoundError,
  ASK_CYCLE: AskCycleError,
  CANCELLED: CancelledError,
  HANDLER_FAILED: HandlerFailedError,
  RATE_LIMITED: RateLimitedError,
  REJECTED: RejectedError,
  SERIALIZATION_ERROR: SerializationError,
  SHUTTING_DOWN: ShuttingDownError,
  STREAM_ERROR: StreamError,
  TARGET_BUSY: TargetBusyError,
  TIMEOUT: TimeoutError,
  UNKNOWN_MESSAGE_TYPE: UnknownMessageTypeError,
};

// One code for two things; these texts are part of the protocol.
const IO_CLASSES: Readonly<Record<string, new (failure: Failure) => RequestError>> = {
  'I/O error: Recipient channel is closed': ActorStoppedError,
  'I/O error: Response channel closed without receiving a response': NoReplyError,
};

/** Returns the error of a failed request, of the class for its code. */
export function requestError(failure: Failure): RequestError {
  const classes = failure.code === 'IO_ERROR' ? IO_CLASSES : CLASSES;
  const name = failure.code === 'IO_ERROR' ? failure.text : failure.code;
  const Class = Object.hasOwn(classes, name) ? classes[name] : undefined;
  return new (Class ?? RequestError)(failure);
}

function describe(failure: Failure): string {
  return `${failure.text} (${failure.code})`;
}

function limitOf(payload: unknown): number | undefined {
  const limit = objectOf(payload)?.['limit'];
  return typeof limit === 'number' ? limit : undefined;
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Record<string, unknown>;
}
