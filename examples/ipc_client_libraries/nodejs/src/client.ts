/** A server's actors, as seen from outside. */

import { randomUUID } from 'node:crypto';

import { Call, type CallOptions } from './call.js';
import { Connection } from './connection.js';
import { ActonError, ConnectionClosedError, refusalError, requestError } from './errors.js';
import { encodeFrame, Kind, type Body, type Frame } from './frames.js';
import { AsyncQueue } from './queue.js';
import { PushQueue, type Subscription } from './subscription.js';

export interface ClientOptions {
  /** Milliseconds to wait when a call does not say; 30 000 by default. */
  readonly timeout?: number;
  /**
   * Milliseconds of silence after which a heartbeat is sent; 30 000 by default,
   * since servers cut connections that are silent for a minute.  0 for never.
   */
  readonly keepAlive?: number;
}

/** A successful answer, with what travels beside the payload. */
export interface Response<T = unknown> {
  readonly correlationId: string;
  readonly payload: T;
  /** Type of the reply, when the server says it. */
  readonly messageType: string | undefined;
}

/** An actor that can be reached. */
export interface ExposedActor {
  readonly name: string;
  readonly ern: string;
  /** Names of the messages it takes, when the server says it. */
  readonly accepts?: readonly string[];
}

/** What a server offers. */
export interface Discovery {
  readonly protocolVersion: Readonly<Record<string, unknown>>;
  readonly actors: readonly ExposedActor[];
  readonly messageTypes: readonly string[];
  /** JSON Schema by message type, when asked for and understood. */
  readonly schemas: Readonly<Record<string, unknown>> | undefined;
}

/** The payloads of a message's replies; leaving the loop over it drops the rest. */
export type Stream<T = unknown> = AsyncIterableIterator<T, undefined> & AsyncDisposable;

export interface DiscoverOptions extends CallOptions {
  readonly includeSchemas?: boolean;
}

// Answers under this id are about the connection, not about a request.
const REFUSAL = '__acton_connection_rejected__';

interface Listener {
  onAnswer(frame: Frame, call: Call): void;
  onFailure(reason: unknown): void;
}

/**
 * One connection to a server, made by the first call and open until `close`.
 *
 * When the connection is lost every call rejects with the reason; make a new
 * client then.  Nothing is ever sent twice.  An idle client does not keep the
 * process alive; a call, or a loop that waits for a push, does.
 */
export class ActonClient implements AsyncDisposable {
  readonly #path: string;
  readonly #timeout: number;
  readonly #keepAlive: number;
  #opening: Promise<Connection> | undefined;
  #connection: Connection | undefined;
  #ended: ActonError | undefined;
  #lastWords: string | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  readonly #calls = new Map<string, Call>();
  // Heartbeats have no id.  Their answers come in the order of asking.
  readonly #heartbeats: Call[] = [];
  readonly #subscriptions = new Set<PushQueue>();

  constructor(path: string, options: ClientOptions = {}) {
    this.#path = path;
    this.#timeout = options.timeout ?? 30_000;
    this.#keepAlive = options.keepAlive ?? 30_000;
  }

  /** Connects, if no call has done so yet. */
  async connect(): Promise<void> {
    await this.#open();
  }

  /** Sends a message and returns the payload of its reply. */
  async send<T = unknown>(
    target: string,
    messageType: string,
    payload: unknown = null,
    options: CallOptions = {},
  ): Promise<T> {
    return (await this.request<T>(target, messageType, payload, options)).payload;
  }

  /** Sends a message and returns its whole answer. */
  async request<T = unknown>(
    target: string,
    messageType: string,
    payload: unknown = null,
    options: CallOptions = {},
  ): Promise<Response<T>> {
    const fields = this.#fields(target, messageType, payload, options);
    const body = await this.#ask(Kind.REQUEST, { ...fields, expects_reply: true }, options);
    const replyType = body['message_type'];
    return {
      correlationId: String(body['correlation_id']),
      payload: body['payload'] as T,
      messageType: typeof replyType === 'string' ? replyType : undefined,
    };
  }

  /** Sends a message; resolves when it is in the actor's mailbox, handled or not. */
  async fireAndForget(
    target: string,
    messageType: string,
    payload: unknown = null,
    options: CallOptions = {},
  ): Promise<void> {
    const fields = this.#fields(target, messageType, payload, options);
    await this.#ask(Kind.REQUEST, { ...fields, expects_reply: false }, options);
  }

  /**
   * Sends a message at once and iterates over the payloads of its replies.
   *
   * The timeout is for the whole stream.  A stream that is left early goes on
   * at the server until it ends or times out.
   */
  stream<T = unknown>(
    target: string,
    messageType: string,
    payload: unknown = null,
    options: CallOptions = {},
  ): Stream<T> {
    const fields = this.#fields(target, messageType, payload, options);
    const body = { ...fields, expects_reply: false, expects_stream: true };
    const queue = new AsyncQueue<T>({ onEnd: () => call.end() });
    const call: Call = this.#begin(Kind.REQUEST, body, options, {
      onAnswer({ kind, body }) {
        if (isFailure(body)) return queue.fail(requestError(body));
        if ('payload' in body) queue.put(body['payload'] as T);
        // A plain answer ends a stream as well.
        if (kind !== Kind.STREAM || body['is_final'] === true) queue.finish();
      },
      onFailure: (reason) => queue.fail(reason),
    });
    return queue;
  }

  /** Asks for pushes of these types and iterates over them as they come. */
  subscribe<T = unknown>(
    types: string | readonly string[],
    options: CallOptions = {},
  ): Subscription<T> {
    const names = typeof types === 'string' ? [types] : types;
    const { signal } = options;
    const abort = () => subscription.fail(signal?.reason);
    const confirmed = this.#ask(Kind.SUBSCRIBE, { message_types: names }, options);
    const subscription = new PushQueue<T>(names, confirmed, {
      onEnd: () => {
        signal?.removeEventListener('abort', abort);
        this.#subscriptions.delete(subscription);
        this.#unsubscribe(names);
      },
      onWaiting: () => this.#updateHold(),
    });
    signal?.addEventListener('abort', abort, { once: true });
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /** Returns the actors, message types and abilities of the server. */
  async discover(options: DiscoverOptions = {}): Promise<Discovery> {
    const fields: Body = { include_actors: true, include_message_types: true };
    if (options.includeSchemas === true) fields['include_schemas'] = true;
    const body = await this.#ask(Kind.DISCOVER, fields, options);
    return {
      protocolVersion: (body['protocol_version'] ?? {}) as Discovery['protocolVersion'],
      actors: (body['actors'] ?? []) as Discovery['actors'],
      messageTypes: (body['message_types'] ?? []) as Discovery['messageTypes'],
      schemas: body['schemas'] as Discovery['schemas'],
    };
  }

  /** Resolves when the server has answered; there is no need to call it regularly. */
  async heartbeat(options: CallOptions = {}): Promise<void> {
    await this.#ask(Kind.HEARTBEAT, {}, options);
  }

  /** Ends the connection: calls reject with `ConnectionClosedError`, loops over pushes end. */
  async close(): Promise<void> {
    this.#end(new ConnectionClosedError('closed by this side'), true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #fields(target: string, messageType: string, payload: unknown, options: CallOptions): Body {
    const timeout = Math.floor(options.timeout ?? this.#timeout);
    return {
      target,
      message_type: messageType,
      payload,
      response_timeout_ms: Math.min(Math.max(timeout, 0), Number.MAX_SAFE_INTEGER),
    };
  }

  #ask(kind: Kind, fields: Body, options: CallOptions): Promise<Body> {
    return new Promise((resolve, reject) => {
      this.#begin(kind, fields, options, {
        onAnswer({ body }, call) {
          call.end();
          if (isFailure(body)) reject(requestError(body));
          else resolve(body);
        },
        onFailure: reject,
      });
    });
  }

  #begin(kind: Kind, fields: Body, options: CallOptions, listener: Listener): Call {
    const id = randomUUID();
    const { timeout = this.#timeout, signal } = options;
    const call = new Call(timeout, signal, {
      onAnswer: (frame) => listener.onAnswer(frame, call),
      onFailure: (reason) => listener.onFailure(reason),
      onEnd: () => {
        this.#calls.delete(id);
        this.#updateHold();
      },
    });
    this.#calls.set(id, call);
    this.#updateHold();
    const body = kind === Kind.HEARTBEAT ? {} : { correlation_id: id, ...fields };
    void this.#transmit(kind, body, call, signal);
    return call;
  }

  async #transmit(
    kind: Kind,
    body: Body,
    call: Call,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    try {
      signal?.throwIfAborted();
      // A copy of now, whatever the caller does with the payload meanwhile.
      const frame = encodeFrame(kind, body);
      // Everybody awaits the same promise, and so gets through in order.
      const connection = await this.#open();
      if (call.isEnded) return;
      if (kind === Kind.HEARTBEAT) this.#heartbeats.push(call);
      connection.write(frame);
      this.#idleTimer?.refresh();
    } catch (reason) {
      // Not in the caller's turn, who has yet to see the call.
      await null;
      call.fail(reason);
    }
  }

  #open(): Promise<Connection> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#opening ??= this.#connect();
    return this.#opening;
  }

  async #connect(): Promise<Connection> {
    try {
      const connection = await Connection.open(this.#path, {
        onFrame: (frame) => this.#route(frame),
        onEnd: (reason) => this.#end(reason),
      });
      this.#connection = connection;
      if (this.#ended !== undefined) connection.end(this.#ended);
      else this.#startKeepAlive();
      this.#updateHold();
      return connection;
    } catch (reason) {
      // The server may not be up yet: the next call tries again.
      this.#opening = undefined;
      throw reason;
    }
  }

  #startKeepAlive(): void {
    if (this.#keepAlive <= 0) return;
    const beat = () => {
      // Whether it is answered is of no interest, that it was sent is.
      this.heartbeat({ timeout: this.#keepAlive }).catch(() => undefined);
    };
    this.#idleTimer = setTimeout(beat, this.#keepAlive).unref();
  }

  #route(frame: Frame): void {
    const { kind, body } = frame;
    switch (kind) {
      case Kind.HEARTBEAT:
        this.#heartbeats.shift()?.answer(frame);
        break;
      case Kind.PUSH:
        for (const subscription of this.#subscriptions) subscription.offer(body);
        break;
      case Kind.RESPONSE:
      case Kind.ERROR:
      case Kind.STREAM:
        this.#routeAnswer(String(body['correlation_id']), frame);
        break;
      default:
        // Frames of a client, sent by a server: none of ours.
        break;
    }
  }

  #routeAnswer(id: string, frame: Frame): void {
    if (id === REFUSAL) {
      this.#end(refusalError(frame.body));
    } else if (id === 'unknown') {
      // A fault that the server cannot attribute; it may close now.
      this.#lastWords = requestError(frame.body).message;
    } else {
      // No such call: it was given up, and this is its late answer.
      this.#calls.get(id)?.answer(frame);
    }
  }

  #unsubscribe(types: readonly string[]): void {
    const unwanted = types.filter((type) => {
      return ![...this.#subscriptions].some((other) => other.types.has(type));
    });
    // An empty list would mean all types.
    if (unwanted.length === 0 || this.#opening === undefined || this.#ended) return;
    // Whether it succeeds or not, nobody listens any more.
    this.#ask(Kind.UNSUBSCRIBE, { message_types: unwanted }, {}).catch(() => undefined);
  }

  #updateHold(): void {
    const isLooping = [...this.#subscriptions].some((subscription) => subscription.isAwaited);
    this.#connection?.hold(this.#calls.size > 0 || isLooping);
  }

  #end(reason: ActonError, isByUs = false): void {
    if (this.#ended !== undefined) return;
    if (!isByUs && reason.constructor === ConnectionClosedError && this.#lastWords) {
      reason = new ConnectionClosedError(this.#lastWords, { cause: reason });
    }
    this.#ended = reason;
    clearTimeout(this.#idleTimer);
    for (const call of [...this.#calls.values()]) call.fail(reason);
    for (const subscription of [...this.#subscriptions]) {
      if (isByUs) subscription.finish();
      else subscription.fail(reason);
    }
    this.#connection?.end(reason);
  }
}

function isFailure(body: Body): boolean {
  return (body['success'] ?? true) !== true || 'error' in body;
}
