import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HostedService } from '@countersign/hosting';
import { MemoryBroker } from '@countersign/messaging';
import { createTestDatabase, eventually } from '@countersign/testing';
import { Client as Postgres } from 'pg';
import { pino } from 'pino';
import { productEnvironment } from '../../apps/all-in-one/src/product-environment.js';
import { startServices } from '../../apps/all-in-one/src/product-services.js';
import { start as startRest } from '../../apps/rest-adapter/src/start.js';
import { Browser, type PageAnswer } from './browser.js';
import { AUDIENCE, CLIENT_ID, OpenIdTestProvider } from './openid-test-provider.js';

const ACCOUNTS = {
  anna: { name: 'Anna Admin', roles: ['admin'] },
  otto: { name: 'Otto Operator', roles: ['staff', 'operator'] },
  vera: { name: 'Vera Viewer', roles: ['viewer'] },
  rita: { name: 'Rita Auditor', roles: ['auditor'] },
  bob: { name: 'Bob of Acme', roles: ['acme-operators', 'acme-auditors'] },
  nora: { name: 'Nora Nobody', roles: ['staff'] },
};
const ROLES = {
  ...Object.fromEntries(['viewer', 'operator', 'admin', 'auditor'].map((role) => [role, { role }])),
  'acme-operators': { role: 'operator', tenants: ['acme'] },
  'acme-auditors': { role: 'auditor', tenants: ['acme'] },
};

let adminKey = '';
let database: Postgres;
let provider: OpenIdTestProvider;
/** Origins of REST adapters: without a provider, and two copies with one. */
let keyOrigin = '';
let origin = '';
let otherOrigin = '';
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const onClose = (step: () => Promise<void>): void => void closers.push(step);
  const test = await createTestDatabase();
  onClose(() => test.drop());
  const folder = await mkdtemp(join(tmpdir(), 'countersign-operators-'));
  onClose(() => rm(folder, { recursive: true, force: true }));
  provider = await OpenIdTestProvider.open();
  onClose(() => provider.close());
  const ports = { REST_PORT: '0', SWAIG_PORT: '0', AUDIT_PORT: '0', HOST: '127.0.0.1' };
  const found = await productEnvironment(folder, ports, test.url, onClose);
  adminKey = found.createdAdminKey;
  const broker = new MemoryBroker();
  onClose(() => broker.close());
  const replace = { broker, logger: pino({ level: 'silent' }), ops: false } as const;
  const fail = (error: Error): never => {
    throw error;
  };
  const services = await startServices(found.environment, fail, replace, onClose);
  const urlOf = (name: string): string => services.find(({ urls }) => urls[name])?.urls[name] ?? '';
  keyOrigin = urlOf('rest');
  const withProvider = {
    ...{ ...found.environment, AUDIT_URL: urlOf('audit') },
    ...{ OIDC_ISSUER: provider.issuer, OIDC_CLIENT_ID: CLIENT_ID, OIDC_AUDIENCE: AUDIENCE },
    OIDC_ROLES: JSON.stringify(ROLES),
  };
  const startCopy = async (): Promise<string> => {
    const copy: HostedService = await startRest(withProvider, fail, replace);
    onClose(() => copy.close());
    return copy.urls['rest'] ?? '';
  };
  [origin, otherOrigin] = [await startCopy(), await startCopy()];
  provider.serve(ACCOUNTS, [origin, otherOrigin]);
  database = new Postgres({ connectionString: test.url });
  await database.connect();
  onClose(() => database.end());
  for (const tenant of ['acme', 'umbrella']) {
    await asAdministrator('PUT', `/v1/tenants/${tenant}`, { name: tenant });
    await asAdministrator('PUT', `/v1/tenants/${tenant}/subjects/customer`, { displayName: 'Alex' });
  }
});

afterAll(async () => {
  for (const step of closers.reverse()) await step();
});

async function asAdministrator(method: string, path: string, body?: unknown): Promise<PageAnswer> {
  const answer = await new Browser(keyOrigin).send(path, bearer(adminKey, method, body));
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer;
}

function bearer(token: string, method = 'GET', body?: unknown): Parameters<Browser['send']>[1] & object {
  return {
    ...{ method, headers: { authorization: `Bearer ${token}` }, withoutToken: true },
    ...(body === undefined ? {} : { body }),
  };
}

/** The newest event of a kind that fits. */
async function eventOf(kind: string, fits: (event: Event) => boolean): Promise<Event> {
  let found: Event | undefined;
  await eventually(`the event ${kind}`, async () => {
    const { json } = await asAdministrator('GET', `/v1/events?type=${kind}&limit=50`);
    found = (json['items'] as { readonly event: Event }[]).map(({ event }) => event).find(fits);
    return found !== undefined;
  });
  return found as Event;
}
interface Event {
  readonly class_uid: number;
  readonly activity_id: number;
  readonly status_id: number;
  readonly actor?: { readonly user: object };
  readonly user?: { readonly uid: string };
  readonly src_endpoint?: object;
  readonly unmapped: { readonly detail?: object };
}

describe('without a provider', () => {
  it('the administrator key signs in, and its session may do what the key may', async () => {
    const browser = new Browser(keyOrigin);
    const before = await browser.readSession();
    expect([before.status, before.json['signIn']]).toEqual([401, 'key']);
    const wrong = await browser.send('/console/session/key', { method: 'POST', body: { key: 'wrong' } });
    expect([wrong.status, browser.cookie('countersign')]).toEqual([401, undefined]);
    const answer = await browser.send('/console/session/key', { method: 'POST', body: { key: adminKey } });
    expect(answer.json).toMatchObject({
      operator: { id: 'administrator', name: 'Administrator', roles: ['admin'], tenants: null },
      development: true,
      isRecent: true,
    });
    const [cookie] = answer.headers.getSetCookie();
    expect(cookie).toMatch(/^countersign=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
    await browser.readSession();
    expect((await browser.send('/v1/tenants')).json['items']).toHaveLength(2);
    const changed = await browser.send('/v1/tenants/acme', { method: 'PATCH', body: { name: 'Acme' } });
    expect([changed.status, changed.json['name']]).toEqual([200, 'Acme']);
    const event = await eventOf('tenant.changed', ({ actor }) => JSON.stringify(actor).includes('Administrator'));
    expect(event.actor?.user).toMatchObject({ uid: 'administrator', groups: [{ name: 'admin' }] });
    expect((await browser.send('/console/session/sign-in')).status).toBe(404);
  });

  it('no page of another site can sign in, change or sign out', async () => {
    const browser = new Browser(keyOrigin);
    await browser.send('/console/session/key', { method: 'POST', body: { key: adminKey } });
    await browser.readSession();
    const foreign = { origin: 'https://attacker.example', 'sec-fetch-site': 'cross-site' };
    const requests = [
      browser.send('/v1/tenants/acme', { method: 'PATCH', body: { name: 'X' }, withoutToken: true }),
      browser.send('/v1/tenants/acme', { method: 'PATCH', body: { name: 'X' }, headers: { 'x-csrf-token': 'wrong' } }),
      browser.send('/v1/tenants/acme', { method: 'PATCH', body: { name: 'X' }, headers: foreign }),
      browser.send('/v1/tenants/acme', { method: 'PATCH', body: { name: 'X' }, headers: { origin: 'null' } }),
      browser.send('/console/session/sign-out', { method: 'POST', withoutToken: true }),
      browser.send('/console/session/key', { method: 'POST', body: { key: adminKey }, headers: foreign }),
    ];
    const answers = await Promise.all(requests);
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(403));
    expect(answers[0]?.json['type']).toBe('urn:countersign:problem:cross-site-request');
    expect((await browser.readSession()).status).toBe(200);
    expect((await browser.send('/v1/tenants/acme')).json['name']).not.toBe('X');
  });

  it('a header Authorization decides alone, whatever the cookie is', async () => {
    const browser = new Browser(keyOrigin);
    await browser.send('/console/session/key', { method: 'POST', body: { key: adminKey } });
    expect((await browser.send('/v1/tenants', bearer('wrong'))).status).toBe(401);
    expect((await browser.send('/v1/tenants')).status).toBe(200);
  });
});
