import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { repositoryRoot } from './kafka-jars.js';
import { ocsfFaults } from './ocsf.js';

/** A record of the public topic. */
export interface PublishedRecord {
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The value as JSON. */
  readonly value: unknown;
}

type Json = Readonly<Record<string, unknown>>;
interface Contract {
  readonly ajv: Ajv2020;
  readonly messages: Readonly<Record<string, { readonly examples: readonly { headers: Json; payload: Json }[] }>>;
}

let contract: Contract | undefined;
const compiled = new Map<string, ValidateFunction>();

/**
 * What docs/asyncapi.yaml, OCSF and CloudEvents object to in a record of the public topic; empty when it is valid. Stricter
 * than the document: a field that the document does not name is a fault, so every published field is described.
 */
export function eventFaults({ headers, value }: PublishedRecord): string[] {
  const { kind, uid, tenant } = namesIn(value);
  const { ajv, messages } = (contract ??= readContract());
  if (kind === undefined || !(kind in messages)) return [`docs/asyncapi.yaml has no message ${kind}`];
  const differing = Object.entries({ ce_id: uid, ce_tenant: tenant, ce_type: `countersign.${kind}.v1` })
    .filter(([name, expected]) => headers[name] !== expected)
    .map(([name, expected]) => `${name} is ${headers[name]} and not ${expected}`);
  const doubled = Object.keys(headers).filter((name) => name === 'ce_datacontenttype');
  return [
    ...ocsfFaults(value),
    ...faultsOf(ajv, `${kind}/payload`, value),
    ...faultsOf(ajv, `${kind}/headers`, attributesIn(headers)),
    ...differing,
    ...doubled.map((name) => `${name} repeats the header content-type`),
  ];
}

/** The examples of the document, by kind. */
export function eventExamples(): ReadonlyMap<string, PublishedRecord> {
  const { messages } = (contract ??= readContract());
  const events = Object.entries(messages).filter(([kind]) => kind !== 'checkpoint');
  return new Map(
    events.map(([kind, { examples }]) => {
      const { headers, payload } = examples[0] ?? { headers: {}, payload: {} };
      return [kind, { headers: headers as Record<string, string>, value: payload }];
    }),
  );
}

function namesIn(value: unknown): Readonly<Record<'kind' | 'uid' | 'tenant', string | undefined>> {
  const { metadata, unmapped } = value as { metadata?: Record<string, string>; unmapped?: Record<string, string> };
  return { kind: unmapped?.['kind'], uid: metadata?.['uid'], tenant: metadata?.['tenant_uid'] };
}

/** The headers of the contract: those of the transport and of this product's own messages are not attributes of the event. */
function attributesIn(headers: PublishedRecord['headers']): Json {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name === 'content-type' || name.startsWith('ce_')),
  );
}

function faultsOf(ajv: Ajv2020, path: string, value: unknown): string[] {
  const validate = compiled.get(path) ?? ajv.compile({ $ref: `asyncapi#/components/messages/${path}` });
  compiled.set(path, validate);
  if (validate(value)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${path}${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

function readContract(): Contract {
  const document = parse(readFileSync(join(repositoryRoot(), 'docs', 'asyncapi.yaml'), 'utf8')) as {
    readonly components: Contract;
  };
  const ajv = new Ajv2020({ strict: false, allErrors: true, formats: FORMATS });
  const { schemas, messages } = closed(document.components, '') as Json & Pick<Contract, 'messages'>;
  ajv.addSchema({ $id: 'asyncapi', components: { schemas, messages } });
  return { ajv, messages: document.components.messages };
}

const FORMATS = {
  uuid: /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/,
  uri: (text: string): boolean => URL.canParse(text),
  'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/,
};

/** Schemas that are part of an `allOf`: the schema with the `allOf` decides which fields there are. */
const BASES: ReadonlySet<string> = new Set([
  ...['Authentication', 'OperatorSignIn', 'AccountChange', 'ApiActivity', 'Unmapped', 'Headers'],
]);

/**
 * The same schemas, in which objects have no other fields than those that are named.
 * @param within name of the closest keyword or schema above
 */
function closed(schema: unknown, within: string): unknown {
  if (Array.isArray(schema)) return schema.map((one) => closed(one, within));
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value, name)]));
  if ('allOf' in inner) return { ...inner, unevaluatedProperties: false };
  const isPart = within === 'allOf' || BASES.has(within);
  return inner['type'] === 'object' && 'properties' in inner && !isPart
    ? { ...inner, additionalProperties: false }
    : inner;
}
