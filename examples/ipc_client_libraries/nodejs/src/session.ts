/** All that belongs to one connection and ends with it. */

import {
  decodeBody,
  encodeBody,
  isForClients,
  readAnswer,
  readPart,
  type Answer,
  type Body,
  type Part,
} from './bodies.js';
import {
  ask,
  CONNECTION,
  type Call,
  type CallEnd,
  type CallKeeper,
  type Question,
} from './call.js';
import type { Clock } from './clock.js';
import { Connection } from './connection.js';
import { discoverQuestion, readDiscovery, type Capabilities } from './discovery.js';
import {
  ActonError,
  ConnectionRefusedError,
  PeerLostError,
  RequestError,
  requestError,
  UnsupportedError,
} from './errors.js';
import { Flow } from './flow.js';
import { encodeFrame, Format, FrameType, type Frame, type Version } from './frames.js';
import { KeepAlive } from './heartbeat.js';
import type { MessagePackCodec } from './messagepack.js';

/** What is the same for every connection of a client. */
export interface SessionSettings {
  readonly path: string;
  readonly clock: Clock;
  readonly version: Version;
  /** Loads what writes MessagePack, if it is wanted and to be had. */
  readonly loadMessagePack: (() => Promise<MessagePackCodec | undefined>) | undefined;
  /** Milliseconds to wait for what is asked without a caller. */
  readonly timeout: number;
  /** Milliseconds without a frame after which a heartbeat is sent; 0 for never. */
  readonly heartbeatInterval: number;
}

/** Whoever has the session. */
export interface SessionHost {
  onPush(body: Body): void;
  /** Something that came was passed over. */
  onFault(fault: unknown): void;
  /** The server has said something sound: it is there. */
  onAlive(): void;
  /** A call has come or gone. */
  onChange(): void;
  /** The session has ended; called once, and not if opening it fails. */
  onEnd(reason: ActonError): void;
  /** Whether somebody waits for a push. */
  isAwaited(): boolean;
}

// Answers under these ids are about the connection, not about a request.
const REFUSAL = '__acton_connection_rejected__';
const LAST_WORDS = 'unknown';

const HEARTBEAT_ANSWER: Answer = { kind: 'answer', id: '', failure: undefined, body: {} };

// What version 1 has; all else needs version 2.
const LAST_TYPE_OF_VERSION_1 = FrameType.HEARTBEAT;

/** A connection and the calls on it, from its making until either side ends it. */
export class Session implements CallKeeper {
  readonly #settings: SessionSettings;
  readonly #host: SessionHost;
  readonly #calls = new Map<string, Call>();
  // Those that are read at a pace of their own.
  readonly #streams = new Set<Call>();
  // Heartbeats have no id.  Their answers come in the order of asking, and
  // nobody waits for those that were sent to keep the connection alive.
  #heartbeats: (Call | undefined)[] = [];
  #connection: Connection | undefined;
  #flow: Flow | undefined;
  #keepAlive: KeepAlive | undefined;
  #messagePack: MessagePackCodec | undefined;
  #format: Format = Format.JSON;
  #capabilities: Promise<Capabilities | undefined> | undefined;
  #lastWords: RequestError | undefined;
  #endReason: ActonError | undefined;
  #isOpen = false;

  constructor(settings: SessionSettings, host: SessionHost) {
    this.#settings = settings;
    this.#host = host;
  }

  /** Connects, and agrees with the server on a format; rejects if that does not come about. */
  async open(): Promise<void> {
    this.#messagePack = await this.#settings.loadMessagePack?.();
    await this.#connect();
    if (this.#messagePack !== undefined) await this.#agreeOnFormat();
    if (this.#endReason !== undefined) throw this.#endReason;
    this.#isOpen = true;
  }

  /** Whether somebody waits for an answer. */
  get isBusy(): boolean {
    return this.#calls.size > 0;
  }

  /** Sends a call's question; throws if it cannot be written. */
  send(call: Call): void {
    if (this.#endReason !== undefined) return call.fail(this.#endReason);
    if (call.question === CONNECTION) return call.answer(HEARTBEAT_ANSWER);
    const bytes =
      call.bytes ?? encodeQuestion(call, this.#settings.version, this.#format, this.#messagePack);
    call.keeper = this;
    call.sentAt = this.#settings.clock.now();
    this.#calls.set(call.id, call);
    if (call.reader !== undefined) this.#streams.add(call);
    if (call.question.type === FrameType.HEARTBEAT) this.#heartbeats.push(call);
    this.#write(bytes, call);
    this.#host.onChange();
  }

  onEnd(call: Call, how: CallEnd): void {
    this.#calls.delete(call.id);
    this.#streams.delete(call);
    if (how === 'given-up' && call.question.isCancellable) void this.#cancel(call);
    this.#host.onChange();
  }

  /** Decides anew whether the connection is read. */
  update(): void {
    if (this.#endReason === undefined) this.#flow?.update();
  }

  /** Says whether the process should stay alive for this connection. */
  hold(isNeeded: boolean): void {
    this.#connection?.hold(isNeeded);
  }

  /** Ends the connection and every call on it, unless it has ended. */
  end(reason: ActonError): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    this.#flow?.stop();
    this.#keepAlive?.stop();
    this.#connection?.end(reason);
    for (const call of [...this.#calls.values()]) call.fail(reason);
    if (this.#isOpen) this.#host.onEnd(reason);
  }

  async #connect(): Promise<void> {
    const { path, clock, heartbeatInterval } = this.#settings;
    this.#connection = await Connection.open(path, {
      onFrame: (frame) => this.#onFrame(frame),
      onRead: () => this.update(),
      onEnd: (reason) => this.end(this.#explain(reason)),
    });
    // Refused already, or not wanted any more.
    if (this.#endReason !== undefined) return this.#connection.end(this.#endReason);
    this.#flow = new Flow(clock, this.#connection, {
      isBehind: () => some(this.#streams, (call) => call.reader?.isBehind === true),
      isNeeded: () => this.#isNeeded(),
    });
    if (heartbeatInterval > 0) this.#keepAlive = this.#startHeart(heartbeatInterval);
  }

  #startHeart(interval: number): KeepAlive {
    return new KeepAlive(this.#settings.clock, interval, {
      beat: () => this.#beat(),
      // Calls have times of their own, and some servers answer one at a time.
      isExpectant: () => !this.isBusy && this.#flow?.isPaused !== true,
      onSilence: () => this.end(new PeerLostError('the server does not answer heartbeats')),
    });
  }

  async #agreeOnFormat(): Promise<void> {
    const capabilities = await this.#learn();
    if (capabilities?.messagepack === true) this.#format = Format.MESSAGE_PACK;
  }

  /** Returns what the server can do, or `undefined` if it does not say. */
  #learn(): Promise<Capabilities | undefined> {
    const { clock, timeout } = this.#settings;
    const question = discoverQuestion({ actors: false, messageTypes: false });
    const patience = { clock, timeout, grace: 0, signal: undefined };
    this.#capabilities ??= ask(question, patience, (call) => this.send(call)).then(
      (body) => readDiscovery(body).protocol.capabilities,
      () => undefined,
    );
    return this.#capabilities;
  }

  async #cancel(call: Call): Promise<void> {
    if (this.#endReason !== undefined || this.#settings.version === 1) return;
    // To a server that does not know it, CANCEL is the end of the connection.
    if ((await this.#learn())?.cancel !== true) return;
    const payload = encodeBody({ correlation_id: call.id }, this.#format, this.#messagePack);
    this.#write(encodeFrame(2, FrameType.CANCEL, this.#format, payload));
  }

  #beat(): void {
    this.#heartbeats.push(undefined);
    this.#write(encodeHeartbeat(this.#settings.version));
  }

  #write(bytes: Buffer, call?: Call): void {
    this.#keepAlive?.onWrite();
    // A heartbeat must go out: its place among the answers is taken.
    const isWithdrawn = (): boolean =>
      call?.isEnded === true && call.question.type === FrameType.REQUEST;
    this.#connection?.write({ bytes, isWithdrawn });
  }

  #onFrame(frame: Frame): void {
    this.#keepAlive?.onRead();
    if (!isForClients(frame.type)) return;
    // Its payload says nothing, in any number of bytes.
    if (frame.type === FrameType.HEARTBEAT)
      return this.#heartbeats.shift()?.answer(HEARTBEAT_ANSWER);
    try {
      this.#route(frame, decodeBody(frame, this.#messagePack));
    } catch (fault) {
      this.#host.onFault(fault);
    }
  }

  #route(frame: Frame, body: Body): void {
    if (frame.type === FrameType.PUSH) this.#host.onPush(body);
    else if (frame.type === FrameType.STREAM) this.#deliver(readPart(body, frame.payload.length));
    else this.#onAnswer(readAnswer(body));
  }

  #onAnswer(answer: Answer): void {
    if (answer.id === REFUSAL && answer.failure !== undefined) {
      this.end(new ConnectionRefusedError(answer.failure));
    } else if (answer.id === LAST_WORDS && answer.failure !== undefined) {
      this.#lastWords = requestError(answer.failure);
    } else {
      this.#deliver(answer);
    }
  }

  #deliver(answer: Answer | Part): void {
    this.#host.onAlive();
    // No such call: it was given up, and this is its late answer.
    this.#calls.get(answer.id)?.answer(answer);
  }

  #isNeeded(): boolean {
    if (this.#host.isAwaited() || this.#calls.size > this.#streams.size) return true;
    return some(this.#streams, (call) => call.reader?.isAwaited === true);
  }

  #explain(reason: ActonError): ActonError {
    const words = this.#lastWords;
    if (words === undefined || !(reason instanceof PeerLostError)) return reason;
    return new PeerLostError(`${reason.message}: ${words.message}`, words, reason.cause);
  }
}

/** Returns the frame of a call's question; throws if it cannot be written. */
export function encodeQuestion(
  call: { readonly id: string; readonly question: Question },
  version: Version,
  format: Format,
  messagePack: MessagePackCodec | undefined,
): Buffer {
  const { type, fields } = call.question;
  if (version === 1 && (type > LAST_TYPE_OF_VERSION_1 || fields['expects_stream'] === true)) {
    throw new UnsupportedError('version 1 of the protocol does not have this');
  }
  if (type === FrameType.HEARTBEAT) return encodeHeartbeat(version);
  const body = { correlation_id: call.id, ...fields };
  return encodeFrame(version, type, format, encodeBody(body, format, messagePack));
}

function some(calls: Iterable<Call>, test: (call: Call) => boolean): boolean {
  for (const call of calls) if (test(call)) return true;
  return false;
}

function encodeHeartbeat(version: Version): Buffer {
  return encodeFrame(version, FrameType.HEARTBEAT, Format.JSON, Buffer.from('{}'));
}
