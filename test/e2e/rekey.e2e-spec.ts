import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { Client as Postgres } from 'pg';
import { newName, newPhone, type HttpAnswer } from '../client.js';
import { startSeparate, type Copy, type SeparateProduct, type ServiceName } from '../product.js';
import { LOCKED, openWorld, PIN, WRONG, type EnrolledSubject, type World } from './world.js';

jest.setTimeout(600_000);

const newKey = (): string => randomBytes(32).toString('base64url');
const [old, anew, unknown] = [newKey(), newKey(), newKey()];
const CREDENTIAL_KEYS = `k1:${newKey()}`;
const KEYED: readonly ServiceName[] = ['verification', 'rate-limit', 'rest-adapter', 'swaig-adapter'];

let product: SeparateProduct;
let database: Postgres;
let world: World;

beforeAll(async () => {
  product = await startSeparate({ env: { IDENTIFIER_KEY: old, CREDENTIAL_KEYS } });
  database = new Postgres({ connectionString: product.databaseUrl });
  await database.connect();
  world = await openWorld(product);
});

afterAll(async () => {
  await database?.end();
  await product?.remove();
});

interface Command {
  readonly ended: Promise<readonly [code: number | null, output: string]>;
  readonly kill: () => void;
}

/** Runs a command of the build as a process. */
function countersign(keys: string, ...args: string[]): Command {
  const main = join(process.cwd(), 'dist', 'bin', 'cli.js');
  const env = {
    PATH: process.env['PATH'] ?? '',
    ...{ DATABASE_URL: product.databaseUrl, CREDENTIAL_KEYS, IDENTIFIER_KEY: keys },
  };
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const ended = new Promise<readonly [number | null, string]>((resolve) => {
    child.once('close', (code) => resolve([code, output]));
  });
  return { ended, kill: () => void child.kill('SIGKILL') };
}

const run = (keys: string, ...args: string[]): Command['ended'] => countersign(keys, ...args).ended;

/** Replaces the running copy of a service by another one. Both serve during `duringOverlap`. */
async function replace(service: ServiceName, keys: string, duringOverlap: () => Promise<void>): Promise<void> {
  const [before] = product.running(service) as [Copy];
  await product.addCopy(service, { IDENTIFIER_KEY: keys });
  await duringOverlap();
  await product.stopCopy(before);
}

/** @returns the output of a service that refuses to start */
async function refusal(service: ServiceName, keys: string): Promise<string> {
  const { program } = product.startCopy(service, { IDENTIFIER_KEY: keys });
  expect((await program.ended).code).toBe(1);
  product.takeEndedCopies();
  return program.output;
}

test('IDENTIFIER_KEY is replaced while the product runs, and no attempt, lock, caller, override or answer is lost', async () => {
  const { client, tenant, agent, enrol } = world;
  const rest = async (subject: string, pin: string, headers = {}, copy = 0): Promise<HttpAnswer['json']> =>
    (await client.verify(agent, { subject, pin }, headers, copy)).json;
  const status = async (keys: string): Promise<string> => {
    const [code, output] = await run(keys, 'keys', 'status');
    expect([code, code === 0 ? '' : output]).toEqual([0, '']);
    return output;
  };

  // Under the old key alone.
  const [counted, locked, known, repeated, working] = (await Promise.all(Array.from({ length: 5 }, () => enrol()))) as [
    EnrolledSubject,
    EnrolledSubject,
    EnrolledSubject,
    EnrolledSubject,
    EnrolledSubject,
  ];
  expect(await rest(counted.subject, WRONG)).toMatchObject({ outcome: 'rejected' });
  for (const outcome of ['rejected', 'rejected', 'locked']) {
    expect(await rest(locked.subject, WRONG)).toMatchObject({ outcome });
  }
  const nobody = newPhone();
  for (let n = 0; n < 3; n++) await client.swaig(agent, { pin: WRONG, caller: nobody });
  // Not a number of the subject: only its hash is stored.
  const telephone = newPhone();
  const greeted = await client.swaig(agent, { pin: PIN, caller: telephone, customerId: known.subject });
  expect(greeted.json['response']).toContain('Thank you');
  const headers = { 'idempotency-key': randomUUID() };
  const first = await rest(repeated.subject, WRONG, headers);
  expect(first).toMatchObject({ outcome: 'rejected' });
  const limited = newPhone();
  const setOverride = (): Promise<HttpAnswer> =>
    client.manage('POST', `/v1/tenants/${tenant}/overrides`, {
      ...{ dimension: 'caller', phone: limited, limit: 2, periodSeconds: 3600, reason: 'a test' },
      expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    });
  await setOverride();
  const byLimited = async (copy = 0): Promise<unknown> =>
    (await client.swaig(agent, { pin: WRONG, caller: limited, customerId: newName('nobody') }, copy)).json['response'];
  const admitted = [await byLimited(), await byLimited()];
  const REFUSED = /^There have been too many requests/;
  for (const response of admitted) expect(response).not.toMatch(REFUSED);

  let asked = 0;
  const holds = async (): Promise<void> => {
    asked++;
    // At one copy after the other, because the limit of a subject is 20 per minute.
    expect(await rest(locked.subject, PIN, {}, asked)).toMatchObject({ outcome: 'locked' });
    for (const copy of [0, 1]) {
      const { verificationId } = first;
      expect(await rest(repeated.subject, WRONG, headers, copy)).toMatchObject({ outcome: 'rejected', verificationId });
    }
  };
  /** Used sparingly, because the limit of a caller is 10 per minute. */
  const nobodyIsLocked = async (): Promise<void> => {
    expect((await client.swaig(agent, { pin: PIN, caller: nobody })).json).toEqual(LOCKED);
  };
  const stillHolds = async (): Promise<void> => {
    await holds();
    for (const copy of [0, 1]) expect(await byLimited(copy)).toMatch(REFUSED);
  };
  await stillHolds();
  await nobodyIsLocked();

  // 1. The new key beside the old one: one service after the other, with the two keys in any order.
  for (const [at, service] of KEYED.entries()) {
    await replace(service, at % 2 === 0 ? `${anew},${old}` : `${old},${anew}`, stillHolds);
  }
  await stillHolds();
  await nobodyIsLocked();
  expect(await rest(counted.subject, WRONG)).toMatchObject({ outcome: 'rejected' });
  expect(await status(`${old},${anew}`)).toMatch(/in use: every service must hold it +held/);
  expect(await status(`${old},${anew}`)).toMatch(/new: run keys rekey when every service holds it +held/);
  for (const service of ['verification', 'rate-limit'] as const) {
    expect(await refusal(service, anew)).toContain('IDENTIFIER_KEY must still hold the key');
    expect(await refusal(service, unknown)).toContain('restore it from the backup');
  }
  expect(await refusal('rest-adapter', anew)).toContain('IDENTIFIER_KEY must hold every key');

  // 2. keys rekey, while verifications continue.
  const going = (async (): Promise<unknown[]> => {
    const outcomes: unknown[] = [];
    for (let n = 0; n < 12; n++) outcomes.push((await rest(working.subject, PIN, {}, n))['outcome']);
    return outcomes;
  })();
  expect(await run(old, 'keys', 'rekey')).toEqual([0, expect.stringContaining('the setting has no new one')]);
  const missing = await run(anew, 'keys', 'rekey');
  expect(missing).toEqual([1, expect.stringContaining('IDENTIFIER_KEY must hold the key')]);
  const blocked = await run(`${old},${anew}`, 'keys', 'rekey');
  expect(blocked).toEqual([
    1,
    expect.stringContaining('1 overrides of limits name their targets under the old key only'),
  ]);
  expect(await refusal('rate-limit', old)).toContain('IDENTIFIER_KEY must still hold the key');
  await setOverride();
  const cutOff = countersign(`${anew},${old}`, 'keys', 'rekey');
  const readyAt = async (): Promise<unknown> =>
    (await database.query('SELECT ready_at FROM rate_limit.key_checks WHERE ready_at IS NOT NULL')).rows[0];
  await eventually('it is known how long limits last under the old key alone', readyAt, 30_000);
  cutOff.kill();
  await cutOff.ended;
  expect(await status(`${old},${anew}`)).toMatch(/in use together with the old one until keys rekey ends, not before/);
  expect(await refusal('rate-limit', anew)).toContain('IDENTIFIER_KEY must still hold the key');
  await stillHolds();
  // An hour passes.
  await database.query('UPDATE rate_limit.key_checks SET ready_at = clock_timestamp() WHERE ready_at IS NOT NULL');
  const done = await run(`${old},${anew}`, 'keys', 'rekey');
  expect(done).toEqual([0, expect.stringMatching(/Next: remove [0-9a-f]{16} from IDENTIFIER_KEY/)]);
  expect(await going).toEqual(Array.from({ length: 12 }, () => 'verified'));
  expect(await status(`${old},${anew}`)).toMatch(/not needed: remove it from every service +held/);
  expect(await run(`${old},${anew}`, 'keys', 'rekey')).toEqual([0, expect.stringContaining('nothing to do')]);

  // 3. The old key is removed, in another order.
  for (const service of [...KEYED].reverse()) await replace(service, anew, holds);
  await holds();
  await nobodyIsLocked();
  expect(asked).toBeGreaterThan(9);
  for (const service of ['verification', 'rate-limit'] as const) {
    expect(await refusal(service, old)).toContain('IDENTIFIER_KEY must still hold the key');
  }
  expect(await status(anew)).toMatch(/in use: every service must hold it +held/);

  // The third attempt since the start, whatever its key.
  expect(await rest(counted.subject, WRONG)).toMatchObject({ outcome: 'locked' });
  expect(await rest(counted.subject, PIN)).toMatchObject({ outcome: 'locked' });
  // The last attempt is reserved for the recognized caller, who was last seen under the old key.
  for (let n = 0; n < 3; n++) await rest(known.subject, WRONG);
  const again = await client.swaig(agent, { pin: PIN, caller: telephone, customerId: known.subject });
  expect(again.json['response']).toContain('Thank you');
  // The number finds its subject, and the override its caller.
  expect((await client.swaig(agent, { pin: PIN, caller: working.phone })).json['response']).toContain('Thank you');
  await byLimited();
  await byLimited();
  expect(await byLimited()).toMatch(REFUSED);
  expect(await run(anew, 'attempts', 'check')).toEqual([0, 'every counter agrees with its ledger\n']);
});
