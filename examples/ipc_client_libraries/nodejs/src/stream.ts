/** Many replies to one message. */

import type { Answer, Part } from './bodies.js';
import type { Call, Reader } from './call.js';
import { ProtocolError, requestError, StreamError, StreamOverrunError } from './errors.js';
import { AsyncQueue, type QueueOwner } from './queue.js';

/** The payloads of a message's replies; leaving the loop over it gives up the rest. */
export type Stream<T = unknown> = AsyncIterableIterator<T, undefined> & AsyncDisposable;

/** How much of a stream may wait for its reader, in bytes on the wire. */
export interface StreamLimits {
  /** Above this the connection is not read, unless somebody else needs it. */
  readonly pauseAbove: number;
  /** Above this the stream fails. */
  readonly failAbove: number;
}

/** The stream as its client sees it. */
export class ReplyStream<T> extends AsyncQueue<T> implements Stream<T>, Reader {
  readonly #limits: StreamLimits;
  #expected = 0;

  constructor(limits: StreamLimits, owner: QueueOwner) {
    super(owner);
    this.#limits = limits;
  }

  get isBehind(): boolean {
    return !this.isEnded && this.bytes > this.#limits.pauseAbove;
  }

  /** Takes the next frame that came for this stream. */
  accept(frame: Answer | Part, call: Call): void {
    if (frame.kind === 'answer') this.#end(answerFault(frame), call);
    else if (frame.sequence !== this.#expected) this.#break(this.#gap(frame), call);
    else if (frame.isFinal) this.#end(this.#failureOf(frame), call);
    else this.#keep(frame, call);
  }

  #keep(part: Part, call: Call): void {
    this.#expected += 1;
    this.put(part.body['payload'] as T, part.size);
    if (this.bytes > this.#limits.failAbove) {
      const text = `more than ${this.#limits.failAbove} bytes of the stream wait for their reader`;
      this.#break(new StreamOverrunError(text), call);
    }
  }

  #end(failure: Error | undefined, call: Call): void {
    call.finish();
    if (failure === undefined) this.finish();
    else this.fail(failure);
  }

  #break(reason: Error, call: Call): void {
    this.fail(reason);
    call.giveUp(reason);
  }

  #gap(part: Part): Error {
    return new ProtocolError(
      `a reply of the stream is missing: number ${this.#expected} was due, ${part.sequence} came`,
    );
  }

  #failureOf(part: Part): Error | undefined {
    if (part.failure === undefined) return undefined;
    const error = requestError(part.failure);
    // Only a stream that has not begun was not handled.
    if (error instanceof StreamError) error.hasBegun = part.sequence > 0;
    return error;
  }
}

function answerFault(answer: Answer): Error {
  if (answer.failure !== undefined) return requestError(answer.failure);
  return new ProtocolError('the server answered a stream with a plain response');
}
