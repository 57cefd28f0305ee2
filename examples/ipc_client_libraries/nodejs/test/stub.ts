/**
 * A server that a test plays by hand, from the description of the wire.
 * Nothing of the client helps it to speak: it is a second opinion.
 */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

import { ActonClient, type ClientOptions } from 'acton-ipc';

import { messagePack } from './messagepack.js';

export const REQUEST = 1;
export const RESPONSE = 2;
export const ERROR = 3;
export const HEARTBEAT = 4;
export const PUSH = 5;
export const SUBSCRIBE = 6;
export const UNSUBSCRIBE = 7;
export const DISCOVER = 8;
export const STREAM = 9;
export const CANCEL = 10;

export const JSON_FORMAT = 1;
export const MESSAGE_PACK = 2;

export const REFUSAL = '__acton_connection_rejected__';

export type Body = Record<string, any>;

/** What a client has sent. */
export interface Sent {
  readonly version: number;
  readonly kind: number;
  readonly format: number;
  readonly body: Body;
}

/** How a frame is written. */
export interface Manner {
  readonly version?: number;
  readonly format?: number;
}

/** The server's end of one connection. */
export class Peer {
  readonly socket: Socket;
  #bytes = Buffer.from('');

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
  }

  /** Reads one frame of this kind and returns its body. */
  async read(kind = REQUEST): Promise<Body> {
    const sent = await this.readFrame();
    if (sent.kind !== kind) throw new Error(`kind ${sent.kind} instead of ${kind}`);
    return sent.body;
  }

  /** Reads one frame, whatever it is. */
  async readFrame(): Promise<Sent> {
    const header = await this.#readExactly(6);
    const [version = 0, kind = 0] = header.subarray(4);
    const format = version === 1 ? JSON_FORMAT : (await this.#readExactly(1))[0]!;
    const payload = await this.#readExactly(header.readUInt32BE());
    const isJson = format === JSON_FORMAT;
    const body = isJson ? JSON.parse(payload.toString()) : messagePack.decode(payload);
    return { version, kind, format, body: body as Body };
  }

  /** Reads until the client has left; fails if it sends anything. */
  async readEnd(): Promise<void> {
    const bytes = await this.#readMore();
    if (bytes !== undefined) throw new Error(`${bytes.length} bytes instead of the end`);
  }

  /** Writes one frame. */
  write(kind: number, body: Body, manner: Manner = {}): void {
    this.socket.write(frame(kind, body, manner));
  }

  /** Answers a request with success. */
  answer({ correlation_id }: Body, payload: unknown, more: Body = {}): void {
    this.write(RESPONSE, { correlation_id, success: true, payload, ...more });
  }

  /** Answers a subscription, or the end of one. */
  confirm({ correlation_id }: Body, types: readonly string[] = []): void {
    this.write(RESPONSE, { correlation_id, success: true, subscribed_types: types });
  }

  /** Answers the question what the server can do. */
  tellCapabilities({ correlation_id }: Body, capabilities: Body): void {
    const protocol_version = { current: 2, capabilities };
    this.write(RESPONSE, { correlation_id, success: true, protocol_version });
  }

  /** Answers a request, or the connection, with an error. */
  fail(correlationId: string, code: string, more: Body = {}): void {
    const error = { success: false, error: `text of ${code}`, error_code: code };
    this.write(ERROR, { correlation_id: correlationId, ...error, ...more });
  }

  /** Writes a reply of a stream. */
  part({ correlation_id }: Body, sequence: number, payload: unknown): void {
    this.write(STREAM, { correlation_id, sequence, is_final: false, payload });
  }

  /** Writes the end of a stream. */
  endStream({ correlation_id }: Body, sequence: number, more: Body = {}): void {
    this.write(STREAM, { correlation_id, sequence, is_final: true, ...more });
  }

  /** Broadcasts something. */
  push(message_type: string, payload: unknown, more: Body = {}): void {
    const body = {
      notification_id: 'push_1',
      message_type,
      payload,
      timestamp_ms: 1_700_000_000_000,
    };
    this.write(PUSH, { ...body, ...more });
  }

  async #readExactly(size: number): Promise<Buffer> {
    while (this.#bytes.length < size) {
      const bytes = await this.#readMore();
      if (bytes === undefined) throw new Error('the client has left');
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
    }
    const taken = this.#bytes.subarray(0, size);
    this.#bytes = this.#bytes.subarray(size);
    return taken;
  }

  async #readMore(): Promise<Buffer | undefined> {
    for (;;) {
      const bytes = this.socket.read() as Buffer | null;
      if (bytes !== null) return bytes;
      if (this.socket.readableEnded || this.socket.destroyed) return undefined;
      await new Promise<void>((resolve) => {
        const events = ['readable', 'end', 'close'];
        const wake = (): void => {
          for (const event of events) this.socket.off(event, wake);
          resolve();
        };
        for (const event of events) this.socket.on(event, wake);
      });
    }
  }
}

/** Returns a frame as a server writes it. */
export function frame(kind: number, body: Body, manner: Manner = {}): Buffer {
  const { version = 2, format = JSON_FORMAT } = manner;
  const isJson = format === JSON_FORMAT;
  const data = isJson ? Buffer.from(JSON.stringify(body)) : Buffer.from(messagePack.encode(body));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  return Buffer.concat([
    length,
    Buffer.from([version, kind]),
    Buffer.from(version === 1 ? [] : [format]),
    data,
  ]);
}

/** A place where clients connect to. */
export class Stage {
  readonly path: string;
  readonly #test: TestContext;
  readonly #peers: Peer[] = [];
  #server: Server | undefined;
  #arrive: (() => void) | undefined;

  constructor(path: string, test: TestContext) {
    this.path = path;
    this.#test = test;
  }

  /** Returns a client for this place, which is closed after the test. */
  client(options: ClientOptions = {}): ActonClient {
    const client = new ActonClient(this.path, options);
    this.#test.after(() => client.close());
    return client;
  }

  async listen(): Promise<void> {
    const server = createServer((socket) => {
      this.#peers.push(new Peer(socket));
      this.#test.after(() => socket.destroy());
      this.#arrive?.();
    });
    this.#server = server;
    server.listen(this.path);
    await once(server, 'listening');
  }

  /** Accepts no more connections, and keeps those that there are. */
  stop(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  /** Returns the next connection. */
  async accept(): Promise<Peer> {
    while (this.#peers.length === 0) await new Promise<void>((resolve) => (this.#arrive = resolve));
    return this.#peers.shift()!;
  }
}

/** Returns a place where nobody listens yet. */
export async function newStage(test: TestContext): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'acton-'));
  const stage = new Stage(join(folder, 'ipc.sock'), test);
  test.after(async () => {
    stage.stop();
    await rm(folder, { recursive: true });
  });
  return stage;
}

/** Returns a place where somebody listens. */
export async function openStage(test: TestContext): Promise<Stage> {
  const stage = await newStage(test);
  await stage.listen();
  return stage;
}

/** Returns a client and the server's end of its connection. */
export async function openPair(
  test: TestContext,
  options: ClientOptions = {},
): Promise<{ client: ActonClient; peer: Peer; stage: Stage }> {
  const stage = await openStage(test);
  const client = stage.client(options);
  const [peer] = await Promise.all([stage.accept(), client.connect()]);
  return { client, peer, stage };
}

/** Returns what the promise is rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<any> {
  const failure = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (failure === undefined) throw new Error('it did not fail');
  return failure;
}

/** Returns all items. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

/** Lets everything happen that needs no more than what is there. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
