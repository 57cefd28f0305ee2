/** One socket: frames out, frames in, and one reason why it ended. */

import { ActonError, ConnectError, PeerLostError, ProtocolError } from './errors.js';
import { FrameReader, type Frame } from './frames.js';
import { ListeningSocket } from './socket.js';

export interface ConnectionHandler {
  /** A frame has come. */
  onFrame(frame: Frame): void;
  /** All frames of a piece of what came have been handed over. */
  onRead(): void;
  /** Nothing will come any more; called once. */
  onEnd(reason: ActonError): void;
}

/** Bytes to be sent, or not any more. */
export interface Outgoing {
  readonly bytes: Buffer;
  /** Whether nobody wants it to be sent any more. */
  readonly isWithdrawn: () => boolean;
}

/** A connected socket, from `Connection.open` until the first thing that goes wrong. */
export class Connection {
  readonly #socket: ListeningSocket;
  readonly #handler: ConnectionHandler;
  readonly #reader = new FrameReader();
  // Frames that the socket has no room for: they can still be withdrawn.
  #outbox: Outgoing[] = [];
  #isFull = false;
  #isCorked = false;
  #isHeld = true;
  #isEnded = false;

  private constructor(socket: ListeningSocket, handler: ConnectionHandler) {
    this.#socket = socket;
    this.#handler = handler;
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('drain', () => this.#flush());
    socket.on('end', () => this.end(new PeerLostError('the server has closed the connection')));
    socket.on('error', (cause) => {
      this.end(new PeerLostError(`the connection was lost: ${cause.message}`, undefined, cause));
    });
    socket.on('close', () => this.end(new PeerLostError('the connection was closed')));
  }

  /** Connects to the socket at the path. */
  static async open(path: string, handler: ConnectionHandler): Promise<Connection> {
    return new Connection(await connect(path), handler);
  }

  /** Sends a frame, whole, after those sent before it and before those sent after. */
  write(outgoing: Outgoing): void {
    if (this.#isEnded) return;
    this.#outbox.push(outgoing);
    if (!this.#isFull) this.#flush();
  }

  /** Reads nothing until `resume`; what comes waits in the kernel, and then at the server. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Says whether the process should stay alive for this connection. */
  hold(isNeeded: boolean): void {
    if (isNeeded === this.#isHeld) return;
    this.#isHeld = isNeeded;
    if (isNeeded) this.#socket.ref();
    else this.#socket.unref();
  }

  /** Ends the connection for this reason, unless it has ended already. */
  end(reason: ActonError): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#outbox = [];
    this.#socket.destroy();
    this.#handler.onEnd(reason);
  }

  #flush(): void {
    this.#isFull = false;
    this.#cork();
    let next = 0;
    while (next < this.#outbox.length && !this.#isFull) {
      const { bytes, isWithdrawn } = this.#outbox[next]!;
      next += 1;
      if (!isWithdrawn()) this.#isFull = !this.#socket.write(bytes);
    }
    this.#outbox.splice(0, next);
  }

  /** Has all frames of this turn leave together. */
  #cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#isCorked = false;
      this.#socket.uncork();
    });
  }

  #receive(bytes: Buffer): void {
    try {
      for (const frame of this.#reader.feed(bytes)) {
        this.#handler.onFrame(frame);
        if (this.#isEnded) return;
      }
      this.#handler.onRead();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.end(error);
    }
  }
}

async function connect(path: string): Promise<ListeningSocket> {
  const socket = new ListeningSocket();
  socket.connect({ path });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause) => {
      reject(new ConnectError(`cannot connect to ${path}: ${cause.message}`, { cause }));
    });
  });
  socket.removeAllListeners('error');
  return socket;
}
