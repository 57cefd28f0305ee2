/** The way to a server: one session after the other, and those who wait for one. */

import { Backoff, type ReconnectOptions } from './backoff.js';
import type { Body } from './bodies.js';
import type { Call, CallKeeper } from './call.js';
import type { Timer } from './clock.js';
import { ActonError, ConnectError, ConnectionRefusedError, ProtocolError } from './errors.js';
import { Format } from './frames.js';
import { encodeQuestion, Session, type SessionHost, type SessionSettings } from './session.js';

/** Whoever has the link. */
export interface LinkHost {
  onPush(body: Body): void;
  /** Something that came was passed over. */
  onFault(fault: unknown): void;
  /** There is a connection, and nothing was sent over it yet. */
  onReady(): void;
  /** The connection is gone, and another will be tried. */
  onLost(reason: ActonError): void;
  /** There will be no more connection; called at most once. */
  onEnd(reason: ActonError): void;
  /** Whether somebody waits for a push. */
  isAwaited(): boolean;
}

/** Makes connections as they are needed, and again if told so, until it is ended. */
export class Link implements CallKeeper {
  readonly #settings: SessionSettings;
  readonly #host: LinkHost;
  readonly #backoff: Backoff | undefined;
  readonly #waiting = new Set<Call>();
  #session: Session | undefined;
  #opening: Session | undefined;
  #retry: Timer | undefined;
  #ended: ActonError | undefined;

  constructor(settings: SessionSettings, reconnect: ReconnectOptions | undefined, host: LinkHost) {
    this.#settings = settings;
    this.#host = host;
    this.#backoff = reconnect && new Backoff(reconnect);
  }

  /** Whether there is a connection. */
  get isReady(): boolean {
    return this.#session !== undefined;
  }

  /** Whether there will be no connection any more. */
  get isEnded(): boolean {
    return this.#ended !== undefined;
  }

  /** Sends a call, now or as soon as there is a connection, in the order of the calls. */
  send(call: Call): void {
    if (this.#ended !== undefined) return call.fail(this.#ended);
    if (this.#session !== undefined) return this.#hand(call, this.#session);
    if (!this.#write(call)) return;
    call.keeper = this;
    this.#waiting.add(call);
    if (this.#opening === undefined && this.#retry === undefined) void this.#open();
    this.update();
  }

  /** A call has ended while it waited. */
  onEnd(call: Call): void {
    this.#waiting.delete(call);
    this.update();
  }

  /** Decides anew whether the connection is read, and whether the process stays alive for it. */
  update(): void {
    const isNeeded = this.#waiting.size > 0 || this.#session?.isBusy === true;
    const isHeld = isNeeded || this.#host.isAwaited();
    this.#session?.hold(isHeld);
    this.#retry?.hold(isHeld);
    this.#session?.update();
  }

  /** Ends the connection and every call, for ever. */
  end(reason: ActonError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#retry?.cancel();
    this.#failWaiting(reason);
    this.#opening?.end(reason);
    this.#session?.end(reason);
    this.#host.onEnd(reason);
  }

  async #open(): Promise<void> {
    const session = new Session(this.#settings, this.#sessionHost());
    this.#opening = session;
    const failure = await session.open().catch((reason: unknown) => reason as ActonError);
    this.#opening = undefined;
    if (this.#ended !== undefined) return;
    if (failure === undefined) this.#onOpen(session);
    else this.#onFailure(failure);
  }

  #sessionHost(): SessionHost {
    return {
      onPush: (body) => this.#host.onPush(body),
      onFault: (fault) => this.#host.onFault(fault),
      onAlive: () => this.#backoff?.reset(),
      onChange: () => this.update(),
      isAwaited: () => this.#host.isAwaited(),
      onEnd: (reason) => this.#onLost(reason),
    };
  }

  #onOpen(session: Session): void {
    this.#session = session;
    this.#host.onReady();
    for (const call of [...this.#waiting]) {
      this.#waiting.delete(call);
      this.#hand(call, session);
    }
    this.update();
  }

  #onLost(reason: ActonError): void {
    this.#session = undefined;
    if (this.#ended === undefined) this.#goOn(reason);
  }

  #onFailure(reason: ActonError): void {
    // Whoever waits has sent nothing yet, and may wait for better times.
    const isPatient = this.#backoff !== undefined && !(reason instanceof ConnectionRefusedError);
    if (!isPatient) this.#failWaiting(reason);
    // The server may not be up yet: the next call tries again.
    if (this.#backoff === undefined && reason instanceof ConnectError) this.#host.onLost(reason);
    else this.#goOn(reason);
  }

  #goOn(reason: ActonError): void {
    const delay = isForGood(reason) ? undefined : this.#backoff?.next();
    if (delay === undefined) return this.end(reason);
    this.#retry = this.#settings.clock.after(delay, () => {
      this.#retry = undefined;
      void this.#open();
    });
    this.#host.onLost(reason);
    this.update();
  }

  #hand(call: Call, session: Session): void {
    try {
      session.send(call);
    } catch (reason) {
      call.fail(reason);
    }
  }

  /** Writes the frame now, whatever the caller does with the payload meanwhile, if it can be. */
  #write(call: Call): boolean {
    // The format is not known before the server has said what it reads.
    if (this.#settings.loadMessagePack !== undefined) return true;
    try {
      call.bytes = encodeQuestion(call, this.#settings.version, Format.JSON, undefined);
      return true;
    } catch (reason) {
      call.fail(reason);
      return false;
    }
  }

  #failWaiting(reason: ActonError): void {
    for (const call of [...this.#waiting]) call.fail(reason);
  }
}

function isForGood(reason: ActonError): boolean {
  if (reason instanceof ConnectionRefusedError) return reason.code === 'ACCESS_DENIED';
  return reason instanceof ProtocolError;
}
