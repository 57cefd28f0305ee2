/** One socket: frames out, frames in, and one reason why it ended. */

import { createConnection, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { ActonError, ConnectError, ConnectionClosedError, ProtocolError } from './errors.js';
import { FrameDecoder, type Frame } from './frames.js';

export interface ConnectionHandler {
  /** A frame has come. */
  onFrame(frame: Frame): void;
  /** Nothing will come any more; called once. */
  onEnd(reason: ActonError): void;
}

/** A connected socket, from `Connection.open` until the first thing that goes wrong. */
export class Connection {
  readonly #socket: Socket;
  readonly #handler: ConnectionHandler;
  readonly #decoder = new FrameDecoder();
  #isEnded = false;

  private constructor(socket: Socket, handler: ConnectionHandler) {
    this.#socket = socket;
    this.#handler = handler;
    socket.on('data', (data) => this.#receive(data));
    socket.on('end', () => this.end(new ConnectionClosedError('closed by the server')));
    socket.on('error', (cause) =>
      this.end(new ConnectionClosedError(`lost: ${cause.message}`, { cause })),
    );
    socket.on('close', () => this.end(new ConnectionClosedError('closed')));
  }

  /** Connects to the socket at the path. */
  static async open(path: string, handler: ConnectionHandler): Promise<Connection> {
    const socket = createConnection({ path });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (cause) => {
        reject(new ConnectError(`cannot connect to ${path}: ${cause.message}`, { cause }));
      });
    });
    socket.removeAllListeners('error');
    const connection = new Connection(socket, handler);
    // A server that refuses us speaks first and leaves.  A write to a socket
    // it has left destroys ours, unread: read what is there before that.  The
    // first turn ends the one in which we connected, in the second Node reads.
    await nextTurn();
    await nextTurn();
    return connection;
  }

  /** Sends a frame, after those sent before it. */
  write(frame: Buffer): void {
    if (!this.#isEnded) this.#socket.write(frame);
  }

  /** Says whether the process should stay alive for this connection. */
  hold(isNeeded: boolean): void {
    if (isNeeded) this.#socket.ref();
    else this.#socket.unref();
  }

  /** Ends the connection for this reason, unless it has ended already. */
  end(reason: ActonError): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#socket.destroy();
    this.#handler.onEnd(reason);
  }

  #receive(data: Buffer): void {
    try {
      for (const frame of this.#decoder.feed(data)) {
        this.#handler.onFrame(frame);
        if (this.#isEnded) return;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.end(error);
    }
  }
}
