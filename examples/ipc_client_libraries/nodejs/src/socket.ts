/** A socket that hears its peer out. */

import { Socket } from 'node:net';

type WriteCallback = (error?: Error | null) => void;

// What a peer has said before it left is there at once; that it says so, too.
const LONGEST_FAREWELL = 1_000;

/**
 * A socket that goes on reading when it can write no more.
 *
 * Sockets of Node destroy themselves then, with what is unread: a server that
 * refuses a connection and closes it would not be heard.
 */
export class ListeningSocket extends Socket {
  #farewell: NodeJS.Timeout | undefined;

  override _write(chunk: unknown, encoding: BufferEncoding, callback: WriteCallback): void {
    super._write(chunk, encoding, (error) => this.#afterWrite(error, callback));
  }

  override _writev(
    chunks: { chunk: unknown; encoding: BufferEncoding }[],
    callback: WriteCallback,
  ): void {
    super._writev!(chunks, (error) => this.#afterWrite(error, callback));
  }

  override _destroy(error: Error | null, callback: WriteCallback): void {
    clearTimeout(this.#farewell);
    super._destroy(error, callback);
  }

  #afterWrite(error: Error | null | undefined, callback: WriteCallback): void {
    if (error) {
      this.#farewell ??= setTimeout(() => this.destroy(error), LONGEST_FAREWELL);
      this.resume();
    }
    callback();
  }
}
