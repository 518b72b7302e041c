import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { newName, type HttpAnswer, type Json } from '../client.js';
import { PIN, POLICY, type World } from '../e2e/world.js';
import {
  DocumentClient,
  parametersOf,
  type ApiCall,
  type BodyExample,
  type SchemaNode,
  type Values,
} from './document.js';

const TEST_MS = 180_000;
/** Parts of answers that time alone changes. */
const MOVING = /"(left|resetSeconds|endsInSeconds)":\d+|"failingSince":("[^"]*"|null)/g;
/** What each recorded event changes in the state of the log, which is one for all tenants. */
const GROWING = /"size":\d+|"note":"[^"]*"/g;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Fields of bodies that name something which can belong to another tenant. */
type Named = Readonly<Partial<Record<'tenant' | 'subject' | 'phone' | 'callId' | 'receipt', string>>>;

/** Another tenant with every kind of key that it can have. */
interface OtherTenant {
  readonly tenant: string;
  readonly agent: string;
  /** By what they are. */
  readonly keys: Readonly<Record<string, string>>;
}

/** What a tenant can reach with its keys. The calls come from the OpenAPI document, so that none is left out. */
export function tenantIsolation(world: () => World): void {
  /** Tenant A: a tenant with one resource of every kind, and with a verified call. */
  async function openVictim(api: DocumentClient): Promise<{ values: Values; named: Named }> {
    const { client, tenant, agent, enrol } = world();
    const { subject, phone } = await enrol();
    const callId = newName('call');
    const { json } = await client.verify(agent, { subject, pin: PIN, callId });
    expect(json).toMatchObject({ outcome: 'verified' });
    const values = await api.withResources({ tenant, agent: agent.agent, subject, callId });
    return { values, named: { tenant, subject, phone, callId, receipt: String(json['receipt']) } };
  }

  async function openOther(api: DocumentClient): Promise<OtherTenant> {
    const { client } = world();
    const tenant = newName('tenant');
    await client.putTenant(tenant, POLICY);
    const { agent, apiKey } = await client.createAgent(tenant);
    const creates = api.calls.find(({ method, path }) => method === 'POST' && path === '/v1/tenants/{tenant}/keys');
    if (creates === undefined) return { tenant, agent, keys: { 'of an agent': apiKey } };
    const scopes = enumOf(api, creates, 'scopes');
    expect(scopes).toContain('manage');
    const body = { contentType: 'application/json', value: { name: 'All scopes', scopes, agent } };
    const { status, json } = await api.send(creates, { tenant }, client.product.adminKey, body);
    expect({ status, key: json['key'] }).toEqual({ status: 201, key: expect.any(String) });
    return { tenant, agent, keys: { 'of an agent': apiKey, 'with all scopes': String(json['key']) } };
  }

  /** The resources of a tenant as the administrator reads them. What only time changes is left out. */
  async function readAll(api: DocumentClient, values: Values): Promise<string[]> {
    const answers: string[] = [];
    const reads = api.calls.filter(({ method, path }) => method === 'GET' && path.includes('{tenant}'));
    // The log of deliveries grows with the attempts of the webhook itself.
    for (const call of reads.filter(({ path }) => !path.endsWith('/deliveries'))) {
      const { status, text } = await api.send(call, values, world().client.product.adminKey);
      answers.push(`${call.path} ${status} ${text.replace(MOVING, '')}`);
    }
    return answers;
  }

  it(
    'answers each call below another tenant like an unknown path, byte for byte, whatever key of its own a tenant sends',
    async () => {
      const api = await DocumentClient.open(world().client);
      const { values } = await openVictim(api);
      const { keys } = await openOther(api);
      const before = await readAll(api, values);
      const calls = api.calls.filter(({ path, scopes }) => path.includes('{tenant}') && scopes.length > 0);
      expect(calls.length).toBeGreaterThan(20);
      const unknown: Values = Object.fromEntries(Object.keys(values).map((name) => [name, 'no-such-name']));
      const differing: string[] = [];
      for (const [kind, key] of Object.entries(keys)) {
        const notFound = shown(await api.send({ ...(calls[0] as ApiCall), path: '/v1/no-such-path' }, {}, key));
        expect(notFound).toContain('urn:countersign:problem:not-found');
        for (const call of calls) {
          for (const example of call.examples.length === 0 ? [undefined] : call.examples) {
            const ofVictim = shown(await api.send(call, values, key, example));
            const ofNobody = shown(await api.send(call, unknown, key, example));
            if (ofVictim === notFound && ofNobody === notFound) continue;
            differing.push(`${call.method} ${call.path} with the key ${kind}: ${ofVictim}, and ${ofNobody}`);
          }
        }
      }
      expect(differing).toEqual([]);
      expect(await readAll(api, values)).toEqual(before);
    },
    TEST_MS,
  );

  it(
    'answers each call outside of a tenant about names of another tenant like one about unknown names',
    async () => {
      const api = await DocumentClient.open(world().client);
      const { values, named } = await openVictim(api);
      const { keys } = await openOther(api);
      const before = await readAll(api, values);
      const calls = api.calls.filter(({ path, scopes }) => !path.includes('{tenant}') && scopes.length > 0);
      const unknown: Required<Named> = {
        ...{ tenant: 'no-such-name', subject: 'no-such-name', phone: '+12025550199' },
        ...{ callId: 'no-such-call', receipt: `${named.receipt ?? ''}x` },
      };
      const [ids, unknownIds] = [values, { ...values, ...unknown, event: randomUUID() }];
      for (const [kind, key] of Object.entries(keys)) {
        for (const call of calls) {
          for (const example of call.examples.length === 0 ? [undefined] : call.examples) {
            const [ofVictim, ofNobody] = await Promise.all([
              api.send(call, ids, key, naming(example, named), filtersOf(named)),
              api.send(call, unknownIds, key, naming(example, unknown), filtersOf(unknown)),
            ]);
            const context = `${call.method} ${call.path} with the key ${kind}: `;
            expect(context + normalized(ofVictim)).toBe(context + normalized(ofNobody));
            for (const name of Object.values(named)) expect(ofVictim.text).not.toContain(name);
          }
        }
      }
      expect(await readAll(api, values)).toEqual(before);
    },
    TEST_MS,
  );

  it(
    'answers each call below a tenant about ids of another tenant like one about unknown ids',
    async () => {
      const api = await DocumentClient.open(world().client);
      const { values } = await openVictim(api);
      const before = await readAll(api, values);
      const unknown = Object.fromEntries(
        Object.entries(values).map(([name, value]) => [name, UUID.test(value) ? randomUUID() : newName('no-such')]),
      );
      const calls = api.calls.filter(({ path, scopes }) => {
        const names = parametersOf(path);
        return names.includes('tenant') && names.length > 1 && scopes.length > 0;
      });
      // Each of the two lists of ids is used in a tenant of its own, because some calls create what they name.
      const answersFor = async (ids: Values): Promise<string[]> => {
        const { tenant, keys } = await openOther(api);
        const answers: string[] = [];
        for (const call of calls) {
          const manages = !call.scopes.includes('verify');
          const key = manages ? (keys['with all scopes'] ?? world().client.product.adminKey) : keys['of an agent'];
          const answer = await api.send(call, { ...ids, tenant }, key ?? '', call.examples[0]);
          answers.push(`${call.method} ${call.path} ${normalized(answer, [tenant, ...Object.values(ids)])}`);
        }
        return answers;
      };
      expect(await answersFor(values)).toEqual(await answersFor(unknown));
      expect(await readAll(api, values)).toEqual(before);
    },
    TEST_MS,
  );
}

/** Everything of an answer that a client can compare. */
function shown({ status, headers, text }: HttpAnswer): string {
  return `${status} ${headers.get('content-type') ?? ''} ${text}`;
}

/** The same without what differs between any two answers: new ids, secrets and times, and the given names. */
function normalized({ status, headers, text }: HttpAnswer, names: readonly string[] = []): string {
  const without = names.reduce((before, name) => before.replaceAll(name, '*'), text);
  const quotas = ['ratelimit', 'ratelimit-policy'].filter((name) => headers.has(name));
  return `${status} ${quotas.join()} ${without.replace(GROWING, '*').replace(/"[\w-]{20,}"|"[\d-]{10}T[\d:.]+Z"/g, '"*"')}`;
}

/**
 * Filters of lists that name what belongs to a tenant. Without them, a list of the tenant's own events would grow between two
 * requests. The id of a call is no filter here: the tenant of the key has events of its own about the same id.
 */
function filtersOf({ tenant = '', subject = '' }: Named): Values {
  return { tenant, subject };
}

function naming(example: BodyExample | undefined, named: Named): BodyExample | undefined {
  if (example === undefined || typeof example.value !== 'object') return example;
  const fields = Object.entries({ ...named, pin: PIN }).filter(([name]) => name in (example.value as Json));
  return { ...example, value: { ...(example.value as Json), ...Object.fromEntries(fields) } };
}

/** The values that a list in the body of a call can have. */
function enumOf({ document }: DocumentClient, call: ApiCall, field: string): readonly unknown[] {
  const schema = call.requestBody?.content['application/json']?.schema ?? {};
  const body: SchemaNode = document.components.schemas[schema.$ref?.split('/').at(-1) ?? ''] ?? schema;
  return body.properties?.[field]?.items?.enum ?? [];
}
