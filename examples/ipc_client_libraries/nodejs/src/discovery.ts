/** What a server has to offer. */

import { stringOr, type Body } from './bodies.js';
import type { Question } from './call.js';
import { FrameType } from './frames.js';

/** An actor that can be reached. */
export interface ExposedActor {
  readonly name: string;
  /** An id that no other actor ever has, for logs. */
  readonly ern: string;
  /** Names of the messages it takes, when the server says it. */
  readonly accepts: readonly string[] | undefined;
}

/** What the server can do; others than these are of the future. */
export interface Capabilities {
  readonly messagepack: boolean;
  readonly streaming: boolean;
  readonly push: boolean;
  readonly discovery: boolean;
  readonly cancel: boolean;
  readonly [capability: string]: unknown;
}

/** Which versions of the protocol the server speaks, and what of them. */
export interface ProtocolInfo {
  readonly current: number;
  readonly minSupported: number;
  readonly maxSupported: number;
  readonly description: string;
  readonly capabilities: Capabilities;
}

/** What a server offers. */
export interface Discovery {
  readonly protocol: ProtocolInfo;
  /** Empty if they were not asked for. */
  readonly actors: readonly ExposedActor[];
  /** Empty if they were not asked for. */
  readonly messageTypes: readonly string[];
  /** JSON Schema by message type, when asked for and understood. */
  readonly schemas: Readonly<Record<string, unknown>> | undefined;
}

/** What to ask for. */
export interface DiscoveryRequest {
  /** Whether to list the actors; `true` by default. */
  readonly actors?: boolean;
  /** Whether to list the message types; `true` by default. */
  readonly messageTypes?: boolean;
  /** Whether to describe the message types; `false` by default. */
  readonly schemas?: boolean;
}

/** Returns the question for a server's offer. */
export function discoverQuestion(request: DiscoveryRequest): Question {
  const { actors = true, messageTypes = true, schemas = false } = request;
  const fields: Body = { include_actors: actors, include_message_types: messageTypes };
  // Left out rather than `false`: for those who do not know of it.
  if (schemas) fields['include_schemas'] = true;
  return { type: FrameType.DISCOVER, fields, isCancellable: false };
}

/** Reads the answer to DISCOVER; what is missing is empty. */
export function readDiscovery(body: Body): Discovery {
  const schemas = body['schemas'];
  return {
    protocol: readProtocol(objectOf(body['protocol_version'])),
    actors: listOf(body['actors']).map((actor) => readActor(objectOf(actor))),
    messageTypes: stringsOf(body['message_types']),
    schemas: schemas === undefined ? undefined : objectOf(schemas),
  };
}

/** Returns the strings of an array; none if it is no array. */
export function stringsOf(value: unknown): readonly string[] {
  return listOf(value).filter((item) => typeof item === 'string');
}

function readProtocol(body: Body): ProtocolInfo {
  return {
    current: numberOr(body['current'], 2),
    minSupported: numberOr(body['min_supported'], 1),
    maxSupported: numberOr(body['max_supported'], 2),
    description: stringOr(body['description'], ''),
    capabilities: readCapabilities(objectOf(body['capabilities'])),
  };
}

function readCapabilities(body: Body): Capabilities {
  const can = (name: string): boolean => body[name] === true;
  return {
    ...body,
    messagepack: can('messagepack'),
    streaming: can('streaming'),
    push: can('push'),
    discovery: can('discovery'),
    cancel: can('cancel'),
  };
}

function readActor(body: Body): ExposedActor {
  const accepts = body['accepts'];
  return {
    name: stringOr(body['name'], ''),
    ern: stringOr(body['ern'], ''),
    accepts: accepts === undefined ? undefined : stringsOf(accepts),
  };
}

function objectOf(value: unknown): Body {
  return typeof value === 'object' && value !== null ? (value as Body) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function numberOr(value: unknown, other: number): number {
  return typeof value === 'number' ? value : other;
}
