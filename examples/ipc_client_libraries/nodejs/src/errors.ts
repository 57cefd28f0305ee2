/** What can go wrong, one class for each thing a caller may want to tell apart. */

/** Base of every error this package makes; a call cut by a signal rejects with its reason. */
export class ActonError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** Nobody listens at the path, or we may not open it. */
export class ConnectError extends ActonError {}

/** The connection is gone; whether the message was handled is unknown. */
export class ConnectionClosedError extends ActonError {}

/** The server serves as many connections as it may, and refused this one. */
export class ConnectionLimitError extends ConnectionClosedError {
  constructor(readonly limit: number) {
    super(`the server is at its limit of ${limit} connections`);
  }
}

/** The server does not serve this user. */
export class AccessDeniedError extends ConnectionClosedError {}

/** The server sent something that is not the protocol; the connection ends. */
export class ProtocolError extends ActonError {}

/** The message is larger than a frame may be; nothing was sent. */
export class FrameTooLargeError extends ActonError {}

/** No answer in time, by the server's clock or by ours; the actor may still handle the message. */
export class TimeoutError extends ActonError {}

/** The codes servers are known to answer with; there may be others. */
export type ErrorCode =
  | 'ACTOR_NOT_FOUND'
  | 'CANCELLED'
  | 'HANDLER_FAILED'
  | 'IO_ERROR'
  | 'PROTOCOL_ERROR'
  | 'RATE_LIMITED'
  | 'REJECTED'
  | 'SERIALIZATION_ERROR'
  | 'SHUTTING_DOWN'
  | 'STREAM_ERROR'
  | 'TARGET_BUSY'
  | 'UNKNOWN_MESSAGE_TYPE'
  | (string & {});

/** The server's answer was an error; codes of note have a class below. */
export class ServerError extends ActonError {
  constructor(
    readonly code: ErrorCode,
    readonly text: string,
    readonly payload: unknown = undefined,
  ) {
    super(`${text} (${code})`);
  }
}

/** No actor is exposed under this name. */
export class ActorNotFoundError extends ServerError {}

/** The server has no message of this name. */
export class UnknownMessageTypeError extends ServerError {}

/** The payload does not fit the message type, or the reply cannot travel. */
export class SerializationError extends ServerError {}

/** The actor's mailbox is full; the message was not delivered. */
export class TargetBusyError extends ServerError {}

/** This connection sends too fast; the text says when to try again. */
export class RateLimitedError extends ServerError {}

/** The server finishes what it has and takes nothing new. */
export class ShuttingDownError extends ServerError {}

/** The actor failed while handling the message. */
export class HandlerFailedError extends ServerError {}

/** The actor refused the message; `payload` has the refusal's fields. */
export class RejectedError extends ServerError {}

const classes = new Map<string, typeof ServerError>([
  ['ACTOR_NOT_FOUND', ActorNotFoundError],
  ['UNKNOWN_MESSAGE_TYPE', UnknownMessageTypeError],
  ['SERIALIZATION_ERROR', SerializationError],
  ['TARGET_BUSY', TargetBusyError],
  ['RATE_LIMITED', RateLimitedError],
  ['SHUTTING_DOWN', ShuttingDownError],
  ['HANDLER_FAILED', HandlerFailedError],
  ['REJECTED', RejectedError],
]);

/** The part of an answer that tells of an error. */
export interface Failure {
  readonly error?: unknown;
  readonly error_code?: unknown;
  readonly payload?: unknown;
}

/** Returns the error of a failed request. */
export function requestError(failure: Failure): ActonError {
  const code = codeOf(failure);
  if (code === 'TIMEOUT') return new TimeoutError(textOf(failure));
  const Class = classes.get(code) ?? ServerError;
  return new Class(code, textOf(failure), failure.payload);
}

/** Returns the error of a refused connection. */
export function refusalError(failure: Failure): ActonError {
  switch (codeOf(failure)) {
    case 'CONNECTION_LIMIT_REACHED': {
      const limit = (failure.payload as { limit?: unknown } | null | undefined)?.limit;
      return new ConnectionLimitError(typeof limit === 'number' ? limit : 0);
    }
    case 'ACCESS_DENIED':
      return new AccessDeniedError(textOf(failure));
    default:
      return new ProtocolError(textOf(failure));
  }
}

function codeOf(failure: Failure): string {
  return typeof failure.error_code === 'string' ? failure.error_code : 'UNKNOWN';
}

function textOf(failure: Failure): string {
  return typeof failure.error === 'string' ? failure.error : 'the server gave no reason';
}
