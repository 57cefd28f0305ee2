/** One exchange with the server, and how long to wait for it. */

import { randomBytes } from 'node:crypto';

import type { Answer, Body, Part } from './bodies.js';
import type { Clock, Timer } from './clock.js';
import { ProtocolError, requestError, TimeoutError } from './errors.js';
import { FrameType } from './frames.js';

/** What the server is asked; the correlation id is the call's. */
export interface Question {
  readonly type: FrameType;
  readonly fields: Body;
  /** Whether there is something at the server that CANCEL ends. */
  readonly isCancellable: boolean;
}

/** Asks nothing: answered as soon as there is a connection. */
export const CONNECTION: Question = {
  type: FrameType.HEARTBEAT,
  fields: {},
  isCancellable: false,
};

/** How long to wait, and who may end the wait. */
export interface Patience {
  readonly clock: Clock;
  /** Milliseconds that the server was given, for messages. */
  readonly timeout: number;
  /** Milliseconds more that we wait ourselves. */
  readonly grace: number;
  readonly signal: AbortSignal | undefined;
}

/** Whoever waits for the answer. */
export interface CallHandler {
  /** A frame has come for this call; the handler says when it was the last. */
  onAnswer(answer: Answer | Part, call: Call): void;
  /** The call has ended without its answer; called at most once. */
  onFailure(reason: unknown): void;
}

/** Whoever has the call at the moment: the queue before a connection, then a session. */
export interface CallKeeper {
  /** The call has ended; called once. */
  onEnd(call: Call, how: CallEnd): void;
}

/** `given-up` if nobody has said to the server that the call is over. */
export type CallEnd = 'answered' | 'failed' | 'given-up';

/** Whether somebody reads what comes for a call, or is behind with it. */
export interface Reader {
  /** More waits than should. */
  readonly isBehind: boolean;
  /** Somebody waits for more. */
  readonly isAwaited: boolean;
}

// Ids of one process do not look like those of another, for people who read logs.
const PREFIX = `req_${randomBytes(6).toString('hex')}_`;
let lastNumber = 0;

/** An exchange, from its making until it is answered, given up or ended. */
export class Call {
  /** No other call of this process has it. */
  readonly id = `${PREFIX}${(lastNumber += 1)}`;
  readonly question: Question;
  /** Reads the answers at its own pace; `undefined` for those that take them at once. */
  readonly reader: Reader | undefined;
  /** The frame, if it could be written before there was a connection. */
  bytes: Buffer | undefined;
  keeper: CallKeeper | undefined;
  /** When the frame was handed to the connection, by the clock of the patience. */
  sentAt: number | undefined;
  readonly #handler: CallHandler;
  readonly #signal: AbortSignal | undefined;
  readonly #timer: Timer;
  readonly #abort = (): void => this.giveUp(this.#signal?.reason);
  #isEnded = false;

  constructor(question: Question, patience: Patience, handler: CallHandler, reader?: Reader) {
    this.question = question;
    this.reader = reader;
    this.#handler = handler;
    this.#signal = patience.signal;
    this.#timer = patience.clock.after(patience.timeout + patience.grace, () => {
      const isSent = this.sentAt !== undefined;
      this.giveUp(TimeoutError.local(patience.timeout + patience.grace, isSent));
    });
    this.#signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /** Whether nobody waits for the answer any more. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Gives the call up if its signal has aborted before it began; returns whether it is on. */
  begin(): boolean {
    if (this.#signal?.aborted === true) this.#abort();
    return !this.#isEnded;
  }

  /** Hands an answer to whoever waits, if somebody still does. */
  answer(answer: Answer | Part): void {
    if (!this.#isEnded) this.#handler.onAnswer(answer, this);
  }

  /** Ends the call: it has all of its answer. */
  finish(): void {
    this.#end('answered');
  }

  /** Ends the call: its answer cannot come any more. */
  fail(reason: unknown): void {
    if (this.#end('failed')) this.#handler.onFailure(reason);
  }

  /** Ends the call: its answer is not wanted any more. */
  giveUp(reason: unknown): void {
    if (this.#end('given-up')) this.#handler.onFailure(reason);
  }

  #end(how: CallEnd): boolean {
    if (this.#isEnded) return false;
    this.#isEnded = true;
    this.#timer.cancel();
    this.#signal?.removeEventListener('abort', this.#abort);
    this.keeper?.onEnd(this, how);
    return true;
  }
}

/** Sends a question that has one answer, and returns the answer's body. */
export function ask(
  question: Question,
  patience: Patience,
  send: (call: Call) => void,
): Promise<Body> {
  return new Promise((resolve, reject) => {
    const onAnswer = (answer: Answer | Part, call: Call): void => {
      call.finish();
      const failure = failureOf(answer);
      if (failure === undefined) resolve(answer.body);
      else reject(failure);
    };
    send(new Call(question, patience, { onAnswer, onFailure: reject }));
  });
}

function failureOf(answer: Answer | Part): Error | undefined {
  if (answer.kind === 'part') return new ProtocolError('the server answered with a stream');
  return answer.failure && requestError(answer.failure);
}
