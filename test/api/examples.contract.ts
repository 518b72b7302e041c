import { expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { type HttpAnswer, type Json } from '../client.js';
import { type World } from '../e2e/world.js';
import { DocumentClient, type ApiCall, type BodyExample, type SchemaNode } from './document.js';

const TEST_MS = 120_000;
/** Sizes of the log, which every signed log has reached. */
const SIZES = { from: '1', to: '1' };

/** Where a value is in a body: names of fields, and `0` for the first item of a list. */
type Place = readonly string[];

/** Every example of the OpenAPI document, against the running product. */
export function describedExamples(world: () => World): void {
  it(
    'accepts every example of a request, and gives the answers that the document describes',
    async () => {
      const { client, tenant, agent, enrol } = world();
      const api = await DocumentClient.open(client);
      const violationsOf = answerCheck(api);
      const { subject } = await enrol();
      const values: Record<string, string> = await api.withResources({
        tenant,
        agent: agent.agent,
        subject,
        callId: 'call-1',
      });
      const found: string[] = [];
      let sent = 0;
      const seen = new Set<SchemaNode>();
      for (const call of api.calls.toSorted((a, b) => place(a) - place(b))) {
        const key = call.scopes.includes('verify') ? agent.apiKey : client.product.adminKey;
        for (const variants of bodiesOf(api, call, seen)) {
          const answers: HttpAnswer[] = [];
          for (const body of variants) {
            sent++;
            const query = call.path === '/v1/log/consistency' ? SIZES : {};
            answers.push(await api.send(call, values, key, body, query));
            const { status, json } = answers.at(-1) as HttpAnswer;
            // An override replaces an earlier one of the same target.
            if (status === 201 && call.path.endsWith('/overrides')) values['override'] = String(json['id']);
            if (status < 300) break;
          }
          const last = answers.at(-1);
          const sentBody = JSON.stringify(variants[0]?.value);
          const text = `${call.method} ${call.path} ${sentBody}: ${last?.status} ${last?.text.slice(0, 1_000)}`;
          if (last === undefined || last.status >= 300) found.push(text);
          else found.push(...violationsOf(call, last).map((violation) => `${text}: ${violation}`));
        }
      }
      expect(found).toEqual([]);
      expect(sent).toBeGreaterThan(30);
    },
    TEST_MS,
  );

  it('has examples of answers that match their schemas', async () => {
    const api = await DocumentClient.open(world().client);
    const ajv = validatorOf(api);
    const found: string[] = [];
    for (const [name, { content = {} }] of Object.entries(api.document.components.responses)) {
      for (const [contentType, { examples = {} }] of Object.entries(content)) {
        const pointer = ['components', 'responses', name, 'content', contentType, 'schema'];
        expect(Object.keys(examples)).not.toEqual([]);
        for (const { value } of Object.values(examples)) {
          if (!ajv.validate({ $ref: refTo(pointer) }, value)) found.push(`${name}: ${ajv.errorsText()}`);
        }
      }
    }
    expect(found).toEqual([]);
  });
}

/** Calls that take resources away come last, and those inside of others first. A tenant is deleted after it was disabled. */
function place({ method, path }: ApiCall): number {
  if (method === 'DELETE') return 1_000 - path.length;
  return ['/enable', '/disable'].findIndex((end) => path.endsWith(end));
}

/**
 * The bodies to send for a call: each example of the whole body; and for each example of a field, the examples of the body with
 * that field in its place, of which one must be accepted, because a field can belong to some bodies only.
 * @param seen fields that were sent with an earlier call
 */
function bodiesOf(api: DocumentClient, call: ApiCall, seen: Set<SchemaNode>): (BodyExample | undefined)[][] {
  if (call.requestBody === undefined) return [[undefined]];
  const whole = call.examples.map((example) => [example]);
  const fields = Object.entries(call.requestBody.content).flatMap(([contentType, { schema = {} }]) => {
    const bases = call.examples.filter((example) => example.contentType === contentType);
    const objects = bases.length === 0 ? [{}] : bases.map(({ value }) => value).filter(isObject);
    return fieldExamples(api, schema, [], seen).map(([place, value]) =>
      objects.map((base) => ({ contentType, value: withValue(base, place, value) })),
    );
  });
  return [...whole, ...fields];
}

/** The examples of the fields of a schema, with their places. */
function fieldExamples(
  api: DocumentClient,
  schema: SchemaNode,
  place: Place,
  seen: Set<SchemaNode>,
): [Place, unknown][] {
  const { properties = {}, items, anyOf = [], allOf = [] } = resolve(api, schema);
  const nested: [string, SchemaNode][] = [...Object.entries(properties), ...(items ? [['0', items] as const] : [])].map(
    ([name, node]) => [name, node],
  );
  return [
    ...nested.flatMap(([name, node]): [Place, unknown][] => {
      const own = seen.has(node) ? [] : (node.examples ?? []);
      seen.add(node);
      return [
        ...own.map((value): [Place, unknown] => [[...place, name], value]),
        ...fieldExamples(api, node, [...place, name], seen),
      ];
    }),
    ...[...anyOf, ...allOf].flatMap((node) => fieldExamples(api, node, place, seen)),
  ];
}

function withValue(base: unknown, [name, ...rest]: Place, value: unknown): unknown {
  if (name === undefined) return value;
  if (name === '0') return [withValue(undefined, rest, value)];
  const object = isObject(base) ? base : {};
  return { ...object, [name]: withValue(object[name], rest, value) };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function resolve({ document }: DocumentClient, schema: SchemaNode): SchemaNode {
  return document.components.schemas[schema.$ref?.split('/').at(-1) ?? ''] ?? schema;
}

function validatorOf({ document }: DocumentClient): Ajv2020 {
  const formats = {
    'date-time': /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/,
    uuid: /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/,
    uri: (text: string) => URL.canParse(text),
    phone: /^\+[1-9]\d+$/,
  };
  const ajv = new Ajv2020({ strict: false, formats });
  return ajv.addSchema(document, 'api');
}

function refTo(pointer: Place): string {
  return `api#/${pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`;
}

/** Compares an answer with its description: status, content type and schema. */
function answerCheck(api: DocumentClient): (call: ApiCall, answer: HttpAnswer) => string[] {
  const ajv = validatorOf(api);
  return ({ path, method, responses }, { status, headers, text, json }) => {
    const described = responses[status];
    if (described === undefined) return [`the status ${status} is not described`];
    const [contentType] = Object.keys(described.content ?? {});
    if (contentType === undefined) return text === '' ? [] : ['a body that is not described'];
    if (headers.get('content-type')?.startsWith(contentType) !== true) return [`not of the type ${contentType}`];
    if (!contentType.endsWith('json')) return [];
    const pointer = [
      'paths',
      path,
      method.toLowerCase(),
      'responses',
      String(status),
      'content',
      contentType,
      'schema',
    ];
    const isText = described.content?.[contentType]?.schema?.type === 'string';
    if (isText) return [];
    const bodies = contentType.endsWith('ndjson')
      ? text
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as unknown)
      : [json];
    return bodies.flatMap((body) => (ajv.validate({ $ref: refTo(pointer) }, body) ? [] : [ajv.errorsText()]));
  };
}
