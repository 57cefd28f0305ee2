/**
 * A server that follows a script, written by hand from the description of the
 * wire.  Nothing of the client helps it to speak: it is a second opinion.
 */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

import { ActonClient, type ClientOptions } from 'acton-ipc';

export const REQUEST = 1;
export const RESPONSE = 2;
export const ERROR = 3;
export const HEARTBEAT = 4;
export const PUSH = 5;
export const SUBSCRIBE = 6;
export const UNSUBSCRIBE = 7;
export const DISCOVER = 8;
export const STREAM = 9;

export type Body = Record<string, any>;

/** The server's end of one connection. */
export class Peer {
  readonly socket: Socket;
  #bytes = Buffer.from('');

  constructor(socket: Socket) {
    this.socket = socket;
  }

  /** Reads one frame of this kind and returns its body. */
  async read(expectedKind = REQUEST): Promise<Body> {
    const header = await this.#readExactly(7);
    const [version, kind, format] = header.subarray(4);
    if (version !== 2 || format !== 1) throw new Error('not a JSON frame of version 2');
    if (kind !== expectedKind) throw new Error(`kind ${kind} instead of ${expectedKind}`);
    return JSON.parse((await this.#readExactly(header.readUInt32BE())).toString()) as Body;
  }

  /** Writes one frame. */
  write(kind: number, body: Body): void {
    this.socket.write(frame(kind, body));
  }

  /** Answers a request with success. */
  answer(request: Body, payload: unknown): void {
    this.write(RESPONSE, { correlation_id: request['correlation_id'], success: true, payload });
  }

  /** Answers a request, or the connection, with an error. */
  fail(correlationId: string, code: string, more: Body = {}): void {
    const error = { success: false, error: `text of ${code}`, error_code: code };
    this.write(ERROR, { correlation_id: correlationId, ...error, ...more });
  }

  /** Resolves when the client has left. */
  async waitClosed(): Promise<void> {
    this.socket.resume();
    // Not `once`: that the client left answers unread is no error here.
    if (!this.socket.closed) await new Promise((resolve) => this.socket.once('close', resolve));
  }

  async #readExactly(size: number): Promise<Buffer> {
    while (this.#bytes.length < size) {
      const chunk = this.socket.read() as Buffer | null;
      if (chunk !== null) this.#bytes = Buffer.concat([this.#bytes, chunk]);
      else if (this.socket.readableEnded || this.socket.destroyed) throw new Error('client left');
      else await Promise.race([once(this.socket, 'readable'), once(this.socket, 'close')]);
    }
    const bytes = this.#bytes.subarray(0, size);
    this.#bytes = this.#bytes.subarray(size);
    return bytes;
  }
}

/** Returns a frame as a server writes it. */
export function frame(kind: number, body: Body): Buffer {
  const data = Buffer.from(JSON.stringify(body));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([length, Buffer.from([2, kind, 1]), data]);
}

/** Returns the path of a socket in a new folder. */
export async function newPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'acton-'));
  after(() => rm(folder, { recursive: true }));
  return join(folder, 'ipc.sock');
}

/**
 * Runs a test against a server that follows the script.
 *
 * The server keeps the connection open after its script until the client
 * leaves, unless the script ends it.  A script that fails fails the test.
 */
export async function withServer(
  script: (peer: Peer) => void | Promise<void>,
  test: (client: ActonClient) => Promise<void>,
  options: ClientOptions = {},
  path?: string,
): Promise<void> {
  path ??= await newPath();
  const server = createServer();
  server.listen(path);
  await once(server, 'listening');
  const serving = (async () => {
    const [socket] = (await once(server, 'connection')) as [Socket];
    server.close();
    socket.on('error', () => undefined);
    try {
      const peer = new Peer(socket);
      await script(peer);
      await peer.waitClosed();
    } finally {
      socket.destroy();
    }
  })();
  serving.catch(() => undefined);
  const client = new ActonClient(path, { timeout: 5_000, ...options });
  try {
    await test(client);
  } finally {
    await client.close();
  }
  await serving;
}
