/** A server's actors, as seen from outside. */

import type { ReconnectOptions } from './backoff.js';
import type { Body } from './bodies.js';
import { ask, Call, CONNECTION, type Patience, type Question } from './call.js';
import { systemClock, type Clock } from './clock.js';
import {
  discoverQuestion,
  readDiscovery,
  stringsOf,
  type Discovery,
  type DiscoveryRequest,
} from './discovery.js';
import {
  ClientClosedError,
  ConnectionRefusedError,
  PeerLostError,
  type ActonError,
} from './errors.js';
import { FrameType, type Version } from './frames.js';
import { Link } from './link.js';
import { loadMessagePack, type MessagePackCodec } from './messagepack.js';
import { ReplyStream, type Stream, type StreamLimits } from './stream.js';
import { PushQueue, readNotice, Subscriptions, type Subscription } from './subscription.js';

export interface ClientOptions {
  /** Milliseconds to wait when a call does not say; 30 000 by default. */
  readonly timeout?: number;
  /**
   * Milliseconds that a call waits longer than it tells the server, whose own
   * answer says more than silence; 1000 by default.
   */
  readonly grace?: number;
  /**
   * Milliseconds of silence after which the server closes the connection;
   * 60 000 by default, 0 for never.  After half of them a heartbeat is sent.
   */
  readonly idleTimeout?: number;
  /** Whether a lost connection is made anew, and how; it is not by default. */
  readonly reconnect?: boolean | ReconnectOptions;
  /** The version of the protocol to speak; 2 by default. */
  readonly version?: Version;
  /**
   * Whether to speak MessagePack with servers that do: `true` for the package
   * `@msgpack/msgpack` if it is installed, or something like it.  JSON is
   * spoken by default, and where either is missing.
   */
  readonly messagePack?: boolean | MessagePackCodec;
  /**
   * Bytes of a stream that may wait for their reader before the connection is
   * not read any more, unless somebody else waits for it; 262 144 by default.
   */
  readonly streamBuffer?: number;
  /** Bytes of a stream that may wait in any case, before it fails; 64 MiB by default. */
  readonly maxStreamBuffer?: number;
  /** Pushes that may wait in a subscription before they are dropped; 1024 by default. */
  readonly pushBuffer?: number;
  /** Told of what the server sent and could not be read, for logs. */
  readonly onFault?: (fault: unknown) => void;
  /** The clock of timeouts, heartbeats and attempts to connect. */
  readonly clock?: Clock;
}

export interface CallOptions {
  /** Milliseconds to wait; `Infinity` for ever. */
  readonly timeout?: number;
  /** Gives the call up when it aborts; the reason is the signal's. */
  readonly signal?: AbortSignal;
}

export interface MessageOptions extends CallOptions {
  /** What travels with the message, for example `traceparent`. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface DiscoverOptions extends CallOptions, DiscoveryRequest {}

/** A reply, with what travels beside its payload. */
export interface Reply<T = unknown> {
  readonly correlationId: string;
  readonly payload: T;
  /** Name of the reply's type, when the server says it. */
  readonly messageType: string | undefined;
}

type Expectation = 'nothing' | 'reply' | 'stream';

/**
 * One connection to a server, made by the first call and open until `close`.
 *
 * A message is sent once, whatever happens.  When the connection is lost every
 * call rejects, and so does every later one, unless the client was told to
 * reconnect.  An idle client does not keep the process alive; a call, or a
 * loop that waits for a push, does.
 */
export class ActonClient implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #timeout: number;
  readonly #grace: number;
  readonly #streamLimits: StreamLimits;
  readonly #pushBuffer: number;
  readonly #onFault: (fault: unknown) => void;
  readonly #link: Link;
  readonly #subscriptions = new Subscriptions();

  constructor(path: string, options: ClientOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#timeout = checkTimeout(options.timeout ?? 30_000);
    this.#grace = checkTimeout(options.grace ?? 1_000);
    this.#pushBuffer = options.pushBuffer ?? 1024;
    this.#streamLimits = {
      pauseAbove: options.streamBuffer ?? 256 * 1024,
      failAbove: options.maxStreamBuffer ?? 64 * 1024 * 1024,
    };
    this.#onFault = options.onFault ?? (() => undefined);
    this.#link = this.#makeLink(path, options);
  }

  /** Connects, if no call has done so yet. */
  async connect(options: CallOptions = {}): Promise<void> {
    if (!this.#link.isReady) await this.#ask(CONNECTION, options);
  }

  /** Sends a message and returns the payload of its reply: short for `request`. */
  send<T = unknown>(
    target: string,
    messageType: string,
    payload: unknown = null,
    options: MessageOptions = {},
  ): Promise<T> {
    return this.request<T>(target, messageType, payload, options);
  }

  /** Sends a message and returns the payload of its reply. */
  async request<T = unknown>(
    target: string,
    messageType: string,
    payload: unknown = null,
    options: MessageOptions = {},
  ): Promise<T> {
    return (await this.ask<T>(target, messageType, payload, options)).payload;
  }

  /** Sends a message and returns its reply, with the name of the reply's type. */
  async ask<T = unknown>(
    target: string,
    messageType: string,
    payload: unknown = null,
    options: MessageOptions = {},
  ): Promise<Reply<T>> {
    const question = this.#message('reply', target, messageType, payload, options);
    const body = await this.#ask(question, options, this.#grace);
    const replyType = body['message_type'];
    return {
      correlationId: String(body['correlation_id']),
      payload: body['payload'] as T,
      messageType: typeof replyType === 'string' ? replyType : undefined,
    };
  }

  /** Sends a message; resolves when it is in the actor's inbox, handled or not. */
  async fireAndForget(
    target: string,
    messageType: string,
    payload: unknown = null,
    options: MessageOptions = {},
  ): Promise<void> {
    await this.#ask(this.#message('nothing', target, messageType, payload, options), options);
  }

  /**
   * Sends a message at once and iterates over the payloads of its replies.
   *
   * The timeout is for the whole stream.  Leaving the loop gives up the rest,
   * at the server, too, if it knows how to.
   */
  stream<T = unknown>(
    target: string,
    messageType: string,
    payload: unknown = null,
    options: MessageOptions = {},
  ): Stream<T> {
    const question = this.#message('stream', target, messageType, payload, options);
    const stream = new ReplyStream<T>(this.#streamLimits, {
      onLeave: () => call.giveUp(undefined),
      onReading: () => this.#link.update(),
    });
    const handler = {
      onAnswer: stream.accept.bind(stream),
      onFailure: stream.fail.bind(stream),
    };
    const call = new Call(question, this.#patience(options, this.#grace), handler, stream);
    this.#send(call);
    return stream;
  }

  /** Asks for pushes of these types and iterates over them as they come. */
  subscribe<T = unknown>(
    types: string | readonly string[],
    options: CallOptions = {},
  ): Subscription<T> {
    const subscription = new PushQueue<T>(namesOf(types), this.#pushBuffer, {
      onLeave: () => this.#leave(subscription),
      onReading: () => this.#link.update(),
    });
    this.#subscriptions.add(subscription);
    this.#obey(options.signal, subscription);
    // What has ended before it was sent is not sent.
    void this.#establish([subscription], { ...options, signal: subscription.ended });
    return subscription;
  }

  /**
   * Ends the subscriptions to these types, or to all; returns what is left.
   *
   * A subscription to other types as well goes on without these.
   */
  async unsubscribe(
    types?: string | readonly string[],
    options: CallOptions = {},
  ): Promise<readonly string[]> {
    const names = types === undefined ? undefined : namesOf(types);
    this.#subscriptions.remove(names);
    // An empty list would mean all types; subscribing to none asks what there is.
    const isNone = names?.length === 0;
    const type = isNone ? FrameType.SUBSCRIBE : FrameType.UNSUBSCRIBE;
    const body = await this.#ask(aboutTypes(type, names ?? []), options);
    return stringsOf(body['subscribed_types']);
  }

  /** Returns the actors, message types and abilities of the server. */
  async discover(options: DiscoverOptions = {}): Promise<Discovery> {
    return readDiscovery(await this.#ask(discoverQuestion(options), options));
  }

  /** Returns after how many milliseconds the server has answered; there is no need to call it. */
  async heartbeat(options: CallOptions = {}): Promise<number> {
    let sent: Call | undefined;
    await ask(HEARTBEAT, this.#patience(options), (call) => {
      sent = call;
      this.#send(call);
    });
    return this.#clock.now() - (sent?.sentAt ?? 0);
  }

  /** Ends the connection: calls reject with `ClientClosedError`, loops over pushes end. */
  async close(): Promise<void> {
    this.#link.end(new ClientClosedError('this client was closed'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #makeLink(path: string, options: ClientOptions): Link {
    const { reconnect = false } = options;
    const settings = {
      path,
      clock: this.#clock,
      version: options.version ?? 2,
      loadMessagePack: loaderOf(options.messagePack ?? false),
      timeout: this.#timeout,
      heartbeatInterval: (options.idleTimeout ?? 60_000) / 2,
    };
    return new Link(settings, reconnect === true ? {} : reconnect || undefined, {
      onPush: (body) => this.#subscriptions.offer(readNotice(body)),
      onFault: (fault) => this.#onFault(fault),
      onReady: () => this.#takeUpAgain(),
      onLost: () => this.#subscriptions.markGap(),
      onEnd: (reason) => this.#endSubscriptions(reason),
      isAwaited: () => this.#subscriptions.isAwaited,
    });
  }

  #message(
    expectation: Expectation,
    target: string,
    messageType: string,
    payload: unknown,
    options: MessageOptions,
  ): Question {
    const fields: Body = {
      target,
      message_type: messageType,
      payload,
      expects_reply: expectation === 'reply',
      expects_stream: expectation === 'stream',
    };
    // What expects nothing has no deadline.
    const hasDeadline = expectation !== 'nothing';
    if (hasDeadline) fields['response_timeout_ms'] = wireTimeout(options.timeout ?? this.#timeout);
    if (options.headers !== undefined) fields['headers'] = options.headers;
    return { type: FrameType.REQUEST, fields, isCancellable: hasDeadline };
  }

  #patience(options: CallOptions, grace = 0): Patience {
    const timeout = checkTimeout(options.timeout ?? this.#timeout);
    return { clock: this.#clock, timeout, grace, signal: options.signal };
  }

  async #ask(question: Question, options: CallOptions, grace = 0): Promise<Body> {
    return ask(question, this.#patience(options, grace), (call) => this.#send(call));
  }

  #send(call: Call): void {
    if (call.begin()) this.#link.send(call);
  }

  #obey(signal: AbortSignal | undefined, subscription: PushQueue): void {
    const drop = (): void => this.#drop(subscription, signal?.reason);
    if (signal?.aborted === true) drop();
    else signal?.addEventListener('abort', drop, { once: true, signal: subscription.ended });
  }

  /** Subscribes at the server; what becomes of that is the subscriptions' business. */
  async #establish(subscriptions: readonly PushQueue[], options: CallOptions): Promise<void> {
    const names = new Set(subscriptions.flatMap((each) => [...each.types]));
    try {
      await this.#ask(aboutTypes(FrameType.SUBSCRIBE, [...names]), options);
      for (const each of subscriptions) each.confirm();
    } catch (reason) {
      // They are taken up again on the next connection, if there is one.
      if (!this.#isPassing(reason)) for (const each of subscriptions) this.#drop(each, reason);
    }
    for (const each of subscriptions) each.isPending = false;
  }

  #isPassing(reason: unknown): boolean {
    const isLoss = reason instanceof PeerLostError || reason instanceof ConnectionRefusedError;
    return isLoss && !this.#link.isEnded;
  }

  #takeUpAgain(): void {
    const subscriptions = this.#subscriptions.established();
    if (subscriptions.length > 0) void this.#establish(subscriptions, {});
  }

  #drop(subscription: PushQueue, reason: unknown): void {
    if (subscription.isEnded) return;
    subscription.fail(reason);
    this.#leave(subscription);
  }

  #leave(subscription: PushQueue): void {
    this.#subscriptions.delete(subscription);
    const unwanted = this.#subscriptions.unwanted(subscription.types);
    // An empty list would mean all types.
    if (unwanted.length === 0 || !this.#link.isReady) return;
    // Whether it succeeds or not, nobody listens any more.
    this.#ask(aboutTypes(FrameType.UNSUBSCRIBE, unwanted), {}).catch(() => undefined);
  }

  #endSubscriptions(reason: ActonError): void {
    this.#subscriptions.end(reason instanceof ClientClosedError ? undefined : reason);
  }
}

const HEARTBEAT: Question = { type: FrameType.HEARTBEAT, fields: {}, isCancellable: false };

function aboutTypes(type: FrameType, names: readonly string[]): Question {
  return { type, fields: { message_types: names }, isCancellable: false };
}

function namesOf(types: string | readonly string[]): readonly string[] {
  return typeof types === 'string' ? [types] : types;
}

function loaderOf(
  messagePack: boolean | MessagePackCodec,
): (() => Promise<MessagePackCodec | undefined>) | undefined {
  if (messagePack === false) return undefined;
  return messagePack === true ? () => loadMessagePack() : () => Promise.resolve(messagePack);
}

/** Returns the timeout as servers want it: whole, and 2^53 - 1 for ever. */
function wireTimeout(timeout: number): number {
  return Math.min(Math.ceil(timeout), Number.MAX_SAFE_INTEGER);
}

function checkTimeout(timeout: number): number {
  if (timeout >= 0) return timeout;
  throw new RangeError(`a timeout is 0 ms or more, not ${timeout}`);
}
