import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '@countersign/crypto';
import { type HostedService } from '@countersign/hosting';
import { MemoryBroker } from '@countersign/messaging';
import { createTestDatabase, eventually } from '@countersign/testing';
import { SignJWT, UnsecuredJWT } from 'jose';
import { Client as Postgres } from 'pg';
import { pino } from 'pino';
import { productEnvironment } from '../../apps/all-in-one/src/product-environment.js';
import { startServices } from '../../apps/all-in-one/src/product-services.js';
import { start as startRest } from '../../apps/rest-adapter/src/start.js';
import { ACCOUNTS, LOGOUT_EVENT, ROLES, type OperatorEvent } from './accounts.js';
import { Browser, type PageAnswer } from './browser.js';
import * as counts from './operator-counts.js';
import { AUDIENCE, CLIENT_ID, OpenIdTestProvider } from './openid-test-provider.js';

let adminKey = '';
let database: Postgres;
let provider: OpenIdTestProvider;
/** Origins of REST adapters: without a provider, and two copies with one. */
let keyOrigin = '';
let origin = '';
let otherOrigin = '';
let auditOrigin = '';
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
  [keyOrigin, auditOrigin] = [urlOf('rest'), urlOf('audit')];
  const withProvider = {
    ...{ ...found.environment, AUDIT_URL: auditOrigin },
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

/** A new browser in which a person has signed in. */
async function signedIn(person: keyof typeof ACCOUNTS, { at = origin, query = '' } = {}): Promise<Browser> {
  provider.person = person;
  const browser = new Browser(at);
  await browser.signIn(query);
  return browser;
}

/** The newest event of a kind that fits. */
async function eventOf(kind: string, fits: (event: OperatorEvent) => boolean): Promise<OperatorEvent> {
  let found: OperatorEvent | undefined;
  await eventually(`the event ${kind}`, async () => {
    const { json } = await asAdministrator('GET', `/v1/events?type=${kind}&limit=50`);
    found = (json['items'] as { readonly event: OperatorEvent }[]).map(({ event }) => event).find(fits);
    return found !== undefined;
  });
  return found as OperatorEvent;
}
describe('without a provider', () => {
  it('the administrator key signs in, and its session may do what the key may', async () => {
    const browser = new Browser(keyOrigin);
    const counted = await counts.signIns('success', 'wrong_key');
    const requests = await counts.consoleRequests('tenants', 'session');
    const before = await browser.readSession();
    expect([before.status, before.json['signIn']]).toEqual([401, 'key']);
    const wrong = await browser.send('/console/session/key', { method: 'POST', body: { key: 'wrong' } });
    expect([wrong.status, browser.cookie('countersign')]).toEqual([401, undefined]);
    const answer = await browser.send('/console/session/key', { method: 'POST', body: { key: adminKey } });
    expect(answer.json).toMatchObject({
      operator: {
        id: 'administrator',
        name: 'Administrator',
        roles: ['admin'],
        tenants: null,
        grants: [{ role: 'admin', tenants: null }],
      },
      development: true,
      isRecent: true,
    });
    const [cookie] = answer.headers.getSetCookie();
    expect(cookie).toMatch(/^countersign=[\w-]{43}\.[0-9a-f]{32}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200$/);
    await browser.readSession();
    expect((await browser.send('/v1/tenants')).json['items']).toHaveLength(2);
    expect(await counted()).toEqual([1, 1]);
    expect(await requests()).toEqual([1, 4]);
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
    const [counted, refused] = [await counts.signIns('cross_site'), await counts.refusals('cross_site')];
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
    expect([await counted(), await refused()]).toEqual([[1], [6]]);
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

describe('with a provider', () => {
  it('each person signs in, and may do by the API what the role permits and nothing else', async () => {
    const unlock = { method: 'POST', body: { reason: 'the caller has called back' } };
    const requests: readonly [path: string, options: Parameters<Browser['send']>[1]][] = [
      ['/v1/tenants/acme/subjects/customer', {}],
      ['/v1/tenants/acme/subjects/customer/unlock', unlock],
      ['/v1/tenants/acme', { method: 'PATCH', body: { name: 'Acme' } }],
      ['/v1/events?limit=1', {}],
      ['/v1/tenants/umbrella/subjects/customer', {}],
    ];
    const expected: Readonly<Record<string, readonly number[]>> = {
      vera: [200, 403, 403, 403, 200],
      otto: [200, 204, 403, 200, 200],
      anna: [200, 204, 200, 200, 200],
      rita: [404, 404, 404, 200, 404],
      bob: [200, 204, 403, 200, 404],
    };
    const [counted, refused] = [await counts.signIns('success'), await counts.refusals('role')];
    for (const [person, statuses] of Object.entries(expected)) {
      const browser = await signedIn(person as keyof typeof ACCOUNTS);
      const answers = [];
      for (const [path, options] of requests) answers.push((await browser.send(path, options)).status);
      expect({ person, answers }).toEqual({ person, answers: statuses });
    }
    const refusedCount = Object.values(expected).flatMap((statuses) => statuses.filter((status) => status >= 400));
    expect([await counted(), await refused()]).toEqual([[5], [refusedCount.length]]);
    const event = await eventOf('credential.unlocked', ({ actor }) => JSON.stringify(actor).includes('Otto'));
    expect(event.actor?.user).toMatchObject({ uid: 'otto', name: 'Otto Operator', groups: [{ name: 'operator' }] });
    expect(event.src_endpoint).toEqual({ ip: '127.0.0.1' });
    const read = await eventOf('audit.read', ({ actor }) => JSON.stringify(actor).includes('Rita'));
    expect(read.actor?.user).toMatchObject({ uid: 'rita', groups: [{ name: 'auditor' }] });
  });

  it('a sign-in returns to its page with a new session, and is an event', async () => {
    provider.person = 'vera';
    const browser = new Browser(origin);
    expect((await browser.readSession()).json['signIn']).toBe('oidc');
    const page = await browser.signIn('?returnTo=/console/subjects?tenant=acme');
    expect(page).toBe(`${origin}/console/subjects?tenant=acme`);
    const { json } = await browser.readSession();
    expect(json).toMatchObject({
      operator: { id: 'vera', name: 'Vera Viewer', roles: ['viewer'], tenants: null },
      development: false,
    });
    const event = await eventOf('operator.signed_in', ({ user }) => user?.uid === 'vera');
    expect(event).toMatchObject({ class_uid: 3002, activity_id: 1, status_id: 1, src_endpoint: { ip: '127.0.0.1' } });
    const { rows } = await database.query<{ row: string }>('SELECT s::text AS row FROM directory.operator_sessions s');
    expect(rows.map(({ row }) => row).join()).not.toContain(browser.cookie('countersign')?.slice(0, 43));
    for (const returnTo of ['https://attacker.example/', '//attacker.example', '/console\\..', '/v1/tenants']) {
      const query = new URLSearchParams({ returnTo }).toString();
      expect((await browser.send(`/console/session/sign-in?${query}`)).status).toBe(422);
    }
  });

  it('someone without a role is refused, which is an event', async () => {
    const counted = await counts.signIns('no_role', 'success');
    const browser = await signedIn('nora');
    expect(browser.cookie('countersign')).toBeUndefined();
    expect(await counted()).toEqual([1, 0]);
    for (const request of ['discovery', 'token', 'keys', 'userinfo'])
      expect(await counts.answeredRequests(request)).toBeGreaterThan(0);
    const event = await eventOf('operator.sign_in_refused', ({ user }) => user?.uid === 'nora');
    expect(event).toMatchObject({ class_uid: 3002, status_id: 2, unmapped: { detail: { code: 'NO_ROLE' } } });
  });

  it('the code of another sign-in, a second use of one, and a changed state sign nobody in', async () => {
    const isCallback = ({ pathname }: URL): boolean => pathname.endsWith('/callback');
    provider.person = 'anna';
    const [attacker, victim] = [new Browser(origin), new Browser(origin)];
    const counted = await counts.signIns('success', 'expired', 'mismatch', 'provider_refused');
    const ofAttacker = await attacker.follow('/console/session/sign-in', isCallback);
    // Login CSRF: the victim's browser is sent to the attacker's callback, with and without a sign-in of its own.
    const withoutOwn = await victim.send(ofAttacker);
    expect([withoutOwn.status, withoutOwn.headers.get('location')]).toEqual([302, '/console/?signInError=expired']);
    const own = await victim.follow('/console/session/sign-in', isCallback);
    const withOwn = await victim.send(ofAttacker);
    expect(withOwn.headers.get('location')).toBe('/console/?signInError=refused');
    // Its own sign-in was taken by that answer.
    expect((await victim.send(own)).headers.get('location')).toBe('/console/?signInError=expired');
    expect(victim.cookie('countersign')).toBeUndefined();
    const cookie = attacker.cookie('countersign-sign-in');
    expect((await attacker.send(ofAttacker)).headers.get('location')).toBe('/console/');
    const again = await attacker.send(ofAttacker, { headers: { cookie: `countersign-sign-in=${cookie}` } });
    expect(again.headers.get('location')).toBe('/console/?signInError=expired');
    const changed = new Browser(origin);
    const callback = new URL(await changed.follow('/console/session/sign-in', isCallback));
    callback.searchParams.set('state', 'x'.repeat(43));
    expect((await changed.send(callback.href)).headers.get('location')).toBe('/console/?signInError=refused');
    expect(await counted()).toEqual([1, 3, 2, 0]);
  });

  it('a sign-in never adopts the id of a session that the browser already has', async () => {
    const attacker = await signedIn('vera');
    const victim = new Browser(origin);
    // Session fixation: the attacker gives the victim's browser a session, and an unknown id.
    for (const planted of [attacker.cookie('countersign') ?? '', 'A'.repeat(43)]) {
      victim.cookies.set(origin, new Map([['countersign', planted]]));
      provider.person = 'anna';
      await victim.signIn();
      expect(victim.cookie('countersign')).not.toBe(planted);
    }
    expect((await attacker.readSession()).json).toMatchObject({ operator: { id: 'vera' } });
    const unknown = new Browser(origin);
    unknown.cookies.set(origin, new Map([['countersign', 'A'.repeat(43)]]));
    expect((await unknown.readSession()).status).toBe(401);
  });

  it('a further sign-in ends the former session of the browser if it is of the same person', async () => {
    const browser = await signedIn('vera');
    const former = new Browser(origin);
    former.cookies.set(origin, new Map([['countersign', browser.cookie('countersign') ?? '']]));
    const elsewhere = await signedIn('vera');
    const ended = await counts.sessionEnds('replaced');
    expect((await former.readSession()).status).toBe(200);
    provider.person = 'vera';
    await browser.signIn('?recent=1');
    expect((await former.readSession()).status).toBe(401);
    expect(await ended()).toEqual([1]);
    expect([(await browser.readSession()).status, (await elsewhere.readSession()).status]).toEqual([200, 200]);
  });

  it('a session ends after its idle time and after its absolute time, and requests in the background are no use', async () => {
    const [idle, old, brief] = [await signedIn('vera'), await signedIn('vera'), await signedIn('vera')];
    const open = await counts.openSessions();
    const [ended, refused] = [await counts.sessionEnds('idle', 'absolute'), await counts.refusals('session_ended')];
    const age = (browser: Browser, column: string, seconds: number) =>
      database.query(`UPDATE directory.operator_sessions SET ${column} = ${column} - make_interval(secs => ${seconds})
        WHERE id_hash = '${sha256((browser.cookie('countersign') ?? '').slice(0, 43))}'`);
    for (const path of ['/v1/tenants', '/console/session']) {
      await age(idle, 'last_used_at', 1700);
      expect((await idle.send(path)).status).toBe(200);
    }
    await age(idle, 'last_used_at', 1700);
    for (const path of ['/v1/tenants', '/console/session'])
      expect((await idle.send(path, { headers: { 'x-background-request': '1' } })).status).toBe(200);
    await age(idle, 'last_used_at', 101);
    expect([(await idle.send('/v1/tenants')).status, (await idle.readSession()).status]).toEqual([401, 401]);
    await age(old, 'expires_at', 43_100);
    expect((await old.send('/v1/tenants')).status).toBe(200);
    await age(old, 'expires_at', 101);
    expect((await old.send('/v1/tenants')).status).toBe(401);
    expect(await refused()).toEqual([2]);
    await age(brief, 'last_used_at', 901); // In the session of an adapter with a shorter idle time.
    await database.query('UPDATE directory.operator_sessions SET idle_seconds = 900 WHERE idle_seconds = 1800');
    await signedIn('vera');
    expect(await ended()).toEqual([2, 1]);
    await eventually('three sessions less and one more', async () => (await counts.openSessions()) === open - 2);
  });

  it('a sign-out everywhere holds at once at another copy, and ends a live stream', async () => {
    const [first, second, other] = [await signedIn('rita'), await signedIn('rita'), await signedIn('anna')];
    const copy = new Browser(otherOrigin);
    copy.cookies.set(otherOrigin, new Map([['countersign', second.cookie('countersign') ?? '']]));
    expect((await copy.readSession()).status).toBe(200);
    const ends = await counts.sessionEnds('everywhere');
    const stream = await fetch(`${otherOrigin}/v1/events/stream`, {
      headers: { cookie: `countersign=${second.cookie('countersign')}` },
    });
    expect(stream.status).toBe(200);
    const ended = stream.text().catch(() => 'broken off');
    const signedOut = await first.send('/console/session/sign-out', { method: 'POST', body: { everywhere: true } });
    expect([signedOut.status, first.cookie('countersign')]).toEqual([200, undefined]);
    expect(String(signedOut.json['redirectTo'])).toContain(`${provider.issuer}/session/end?`);
    expect((await ends())[0]).toBeGreaterThan(1);
    expect((await copy.send('/v1/events?limit=1')).status).toBe(401);
    // A success would claim that the sessions at other browsers have ended.
    const again = await second.send('/console/session/sign-out', { method: 'POST', body: { everywhere: true } });
    expect(again.status).toBe(401);
    expect((await second.readSession()).status).toBe(401);
    expect((await other.readSession()).status).toBe(200);
    expect(typeof (await ended)).toBe('string');
    const event = await eventOf('operator.signed_out', ({ user }) => user?.uid === 'rita');
    expect(event).toMatchObject({ activity_id: 2, unmapped: { detail: { by: 'operator' } } });
  });

  it('a logout token of the provider ends the sessions of its person, once', async () => {
    const [browser, other] = [await signedIn('otto'), await signedIn('anna')];
    const logout = (token: string): Promise<PageAnswer> =>
      new Browser(otherOrigin).send('/console/session/back-channel-logout', {
        ...{ method: 'POST', body: new URLSearchParams({ logout_token: token }).toString(), withoutToken: true },
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      });
    const usual = { aud: CLIENT_ID, sub: 'otto', jti: 'logout-1', roles: undefined, events: { [LOGOUT_EVENT]: {} } };
    const header = { typ: 'logout+jwt' };
    const hour = Math.floor(Date.now() / 1000) - 3600;
    const { privateKey: foreign } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const refused = await Promise.all([
      provider.token({ ...usual, events: undefined }, header),
      provider.token({ ...usual, nonce: 'n' }, header),
      provider.token({ ...usual, jti: undefined }, header),
      provider.token({ ...usual, sub: undefined }, header),
      provider.token({ ...usual, aud: 'another-client' }, header),
      provider.token({ ...usual, iss: 'https://attacker.example' }, header),
      provider.token({ ...usual, exp: hour }, header),
      provider.token({ ...usual, iat: hour }, header),
      provider.token(usual, { typ: 'at+jwt' }),
      provider.token(usual, header, foreign),
    ]);
    refused.push(new UnsecuredJWT({ ...usual, iss: provider.issuer }).setExpirationTime('1m').setIssuedAt().encode());
    const ends = await counts.sessionEnds('provider');
    const tokens = await counts.logoutTokens('refused', 'accepted', 'repeated', 'unavailable');
    for (const token of refused) expect((await logout(token)).status).toBe(400);
    expect((await browser.readSession()).status).toBe(200);
    const token = await provider.token(usual, header);
    expect((await logout(token)).status).toBe(200);
    expect((await browser.readSession()).status).toBe(401);
    expect((await other.readSession()).status).toBe(200);
    const again = await signedIn('otto');
    expect((await logout(token)).status).toBe(200);
    expect((await again.readSession()).status).toBe(200);
    expect(await tokens()).toEqual([refused.length, 1, 1, 0]);
    expect((await ends())[0]).toBeGreaterThan(0);
    const form = { method: 'POST', body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    expect((await again.send('/v1/tenants/acme/subjects:search', form)).status).toBe(415);
  });

  it('what demands a recent sign-in is refused later, until the person has signed in again', async () => {
    const browser = await signedIn('anna');
    await database.query(
      "UPDATE directory.operator_sessions SET authenticated_at = authenticated_at - interval '301 s' WHERE id_hash = $1",
      [sha256((browser.cookie('countersign') ?? '').slice(0, 43))],
    );
    await asAdministrator('PUT', '/v1/tenants/acme/subjects/erased', { displayName: 'Alex' });
    const patch = (policy: object) => browser.send('/v1/tenants/acme/policy', { method: 'PATCH', body: policy });
    const erase = () => browser.send('/v1/tenants/acme/subjects/erased', { method: 'DELETE' });
    const tighter = { attempts: { perWindow: 2 } };
    const looser = { attempts: { perWindow: 5 } };
    expect((await patch(tighter)).status).toBe(200);
    const counted = await counts.refusals('recent_sign_in');
    const create = () => browser.send('/v1/tenants/acme/agents', { method: 'POST', body: { agent: 'night' } });
    const refused = [await patch(looser), await erase(), await create()];
    expect(refused.map(({ status, json }) => [status, json['type']])).toEqual(
      Array(3).fill([403, 'urn:countersign:problem:recent-sign-in-required']),
    );
    expect(await counted()).toEqual([3]);
    provider.person = 'anna';
    await browser.signIn('?recent=1');
    expect([(await patch(looser)).status, (await erase()).status]).toEqual([200, 204]);
    // A key of the installation is no operator.
    await asAdministrator('PATCH', '/v1/tenants/acme/policy', { attempts: { perWindow: 6 } });
  });

  it('a script authenticates by a token of the provider that is valid for the API, and by no other', async () => {
    const now = Math.floor(Date.now() / 1000);
    const send = (token: string, path = '/v1/tenants/acme'): Promise<PageAnswer> =>
      new Browser(origin).send(path, bearer(token));
    expect((await send(await provider.token())).status).toBe(200);
    const bound = await provider.token({ roles: ['acme-operators'] });
    expect([(await send(bound)).status, (await send(bound, '/v1/tenants/umbrella')).status]).toEqual([200, 404]);
    const { privateKey: foreign, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const good = await provider.token();
    const [header = '', , signature = ''] = good.split('.');
    const claims = { iss: provider.issuer, aud: AUDIENCE, sub: 'anna', roles: ['admin'], iat: now, exp: now + 60 };
    const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'root' })).toString('base64url');
    const hmac = new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'test' });
    const refused = await Promise.all([
      provider.token({}, {}, foreign),
      provider.token({}, { kid: 'unknown' }),
      provider.token({ exp: now - 60 }),
      provider.token({ exp: undefined }),
      provider.token({ nbf: now + 60 }),
      provider.token({ aud: 'another-api' }),
      provider.token({ aud: undefined }),
      // An ID token is for the client, not for the API.
      provider.token({ aud: CLIENT_ID, nonce: 'n' }, { typ: 'JWT' }),
      provider.token({ iss: 'https://attacker.example' }),
      provider.token({ roles: ['staff'] }),
      provider.token({ roles: undefined }),
      provider.token({}, { typ: 'logout+jwt' }),
      provider.token({}, { crit: ['exp'] }).catch(() => 'eyJ.e30.'),
      hmac.sign(Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }).toString())),
    ]);
    const unsigned = `${header}.${good.split('.')[1]}.`;
    refused.push(new UnsecuredJWT(claims).encode(), `${header}.${forged}.${signature}`, unsigned);
    const counted = await counts.refusals('token');
    const answers = await Promise.all(refused.map((token) => send(token)));
    expect(await counted()).toEqual([refused.length]);
    expect(answers.map(({ status }) => status)).toEqual(refused.map(() => 401));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    // Without a provider, a token is an unknown key.
    expect((await new Browser(keyOrigin).send('/v1/tenants', bearer(good))).status).toBe(401);
    const erase = async (token: string): Promise<number> => {
      await asAdministrator('PUT', '/v1/tenants/acme/subjects/by-script', { displayName: 'Alex' });
      return (await new Browser(origin).send('/v1/tenants/acme/subjects/by-script', bearer(token, 'DELETE'))).status;
    };
    expect(await erase(good)).toBe(403);
    expect(await erase(await provider.token({ auth_time: now - 400 }))).toBe(403);
    expect(await erase(await provider.token({ auth_time: now + 400 }))).toBe(403);
    expect(await erase(await provider.token({ auth_time: now - 10 }))).toBe(204);
  });

  it('a session by the administrator key does not hold where a provider is set', async () => {
    const browser = new Browser(keyOrigin);
    await browser.send('/console/session/key', { method: 'POST', body: { key: adminKey } });
    const copy = new Browser(origin);
    copy.cookies.set(origin, new Map([['countersign', browser.cookie('countersign') ?? '']]));
    expect([(await copy.readSession()).status, (await copy.send('/v1/tenants')).status]).toEqual([401, 401]);
    const key = await copy.send('/console/session/key', { method: 'POST', body: { key: adminKey } });
    expect(key.status).toBe(404);
  });

  it('the audit service believes who an operator is only with the administrator key', async () => {
    const { json } = await asAdministrator('POST', '/v1/tenants/acme/keys', { name: 'Reader', scopes: ['audit'] });
    const read = async (key: string, operator: unknown): Promise<number> => {
      const named = Buffer.from(JSON.stringify(operator)).toString('base64url');
      const headers = { authorization: `Bearer ${key}`, 'x-countersign-operator': named };
      return (await new Browser(auditOrigin).send('/v1/events?tenant=umbrella', { headers })).status;
    };
    const auditor = (tenants?: readonly string[]) => ({ id: 'x', name: 'X', grants: [{ role: 'auditor', tenants }] });
    expect(await read(String(json['key']), auditor())).toBe(401);
    for (const wrong of [null, {}, { ...auditor(), grants: [{ role: 'root' }] }, { ...auditor(), id: 7 }]) {
      expect(await read(adminKey, wrong)).toBe(401);
    }
    expect([await read(adminKey, auditor()), await read(adminKey, auditor(['acme']))]).toEqual([200, 404]);
  });

  it('a person whose roles are bound to a tenant sees only that tenant in the list and in the events', async () => {
    const browser = await signedIn('bob');
    const { json } = await browser.send('/v1/tenants');
    expect((json['items'] as { tenant: string }[]).map(({ tenant }) => tenant)).toEqual(['acme']);
    const missing = await browser.send('/v1/tenants/nothing');
    const other = await browser.send('/v1/tenants/umbrella');
    expect([other.status, other.text]).toEqual([404, missing.text]);
    const events = await browser.send('/v1/events?limit=200');
    const tenants = (events.json['items'] as { event: { metadata: { tenant_uid: string } } }[]).map(
      ({ event }) => event.metadata.tenant_uid,
    );
    expect(new Set(tenants)).toEqual(new Set(['acme']));
    expect((await browser.send('/v1/events?tenant=umbrella')).status).toBe(404);
  });
});
