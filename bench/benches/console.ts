import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DEFAULT_LOG_ORIGIN } from '@countersign/contracts';
import { openDatabase, type Database } from '@countersign/persistence';
import { AUDIT_MIGRATIONS } from '../../apps/audit/migrations/index.js';
import { VERIFICATION_MIGRATIONS } from '../../apps/verification/migrations/index.js';
import { latency, median, type Latency } from '../figures.js';
import { firstLoads } from '../first-load.js';
import { type Installation } from '../installation.js';
import { options } from '../options.js';
import { keep, say, table } from '../report.js';
import { BenchRig } from '../rig.js';
import { fillLog } from '../stored-log.js';
import { storeSubjects } from '../stored-subjects.js';

/**
 * The requests that the pages of the console make, one after the other, as the administrator, over full tables. The goal:
 * 300 ms each. And the first load of the console with an empty cache, until its sign-in reacts. The goal: 2 s, also of the
 * slowest one.
 */
const given = options({ subjects: '100000', events: '1000000', requests: '50' });
const [subjects, events, requests] = [Number(given.subjects), Number(given.events), Number(given.requests)];
const GOAL_MS = 300;
const LOADS = 10;
const LOAD_GOAL_MS = 2_000;
const TENANT = 'bench';
const LOG_TENANT = 'tenant-7';
let loads: number[] | undefined;
const results: { readonly page: string; readonly request: string; readonly times: Latency }[] = [];

/** Counts of every minute of the last day, for all tenants of the log. */
const ADD_COUNTS = `
INSERT INTO audit.event_counts (tenant, step, start_time, kind, variant, count)
SELECT 'tenant-' || t, step, date_trunc(step, now()) - n * ('1 ' || step)::interval, 'attempt.decided', variant, 1 + n % 7
FROM generate_series(0, 49) AS t, (VALUES ('minute', 1440), ('hour', 400)) AS steps (step, most),
  LATERAL generate_series(0, most) AS n, unnest(ARRAY['verified', 'rejected', 'locked']) AS variant`;

await BenchRig.with(async (rig) => {
  const databaseUrl = await rig.createDatabase();
  const ring = `k1:${randomBytes(32).toString('base64url')}`;
  const opened = (schema: string, migrations: typeof AUDIT_MIGRATIONS): Promise<Database> =>
    openDatabase({
      ...{ url: databaseUrl, schema, migrations, as: 'administrator', applicationName: 'countersign bench' },
      statementTimeoutMs: 600_000,
    });
  await (await opened('verification', VERIFICATION_MIGRATIONS)).close();
  say(`storing ${subjects} subjects and ${events} events`);
  const [first] = await storeSubjects(databaseUrl, ring, subjects, 100, TENANT);
  const audit = await opened('audit', AUDIT_MIGRATIONS);
  await fillLog(audit, events, DEFAULT_LOG_ORIGIN);
  await audit.query(ADD_COUNTS);
  await audit.query('VACUUM ANALYZE audit.event_counts');
  await audit.close();
  const programs = { verification: join('bench', 'verification-without-hash.js') };
  const port = await freePort();
  const env = { CREDENTIAL_KEYS: ring, AUDIT_PORT: String(port), AUDIT_URL: `http://127.0.0.1:${port}` };
  // The installation creates the tenant. Its one subject has another name than those that are stored.
  const product = await rig.install('separate', { subjects: 1, databaseUrl, env, programs });
  await measurePages(product, first?.phone ?? '');
  loads = await firstLoads(product.restUrl, product.adminKey, LOADS);
});

process.stdout.write(
  `\n${table(
    ['page', 'request', 'p50 ms', 'p99 ms'],
    results.map(({ page, request, times }) => [page, request, times.p50.toFixed(1), times.p99.toFixed(1)]),
  )}\n`,
);
const worst = loads && Math.max(...loads);
process.stdout.write(
  loads === undefined || worst === undefined
    ? '\nfirst load: not measured, because there is no browser\n'
    : `\n${table(
        ['first load, empty cache', 'median ms', 'worst ms', 'budget ms'],
        [
          [
            `${LOADS} loads, until the sign-in reacts`,
            median(loads).toFixed(0),
            worst.toFixed(0),
            String(LOAD_GOAL_MS),
          ],
        ],
      )}\n\n${worst <= LOAD_GOAL_MS ? 'interactive' : 'not interactive'} within ${LOAD_GOAL_MS} ms\n`,
);
const isReached = results.every(({ times }) => times.p99 <= GOAL_MS);
process.stdout.write(`\n${isReached ? 'each request' : 'not each request'} within ${GOAL_MS} ms (p99)\n`);
keep('console', { at: new Date().toISOString(), subjects, events, requests, isReached, results, loads });

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function measurePages(product: Installation, phone: string): Promise<void> {
  const day = new Date(Date.now() - 86_400_000).toISOString();
  const ofTenant = `/v1/tenants/${TENANT}`;
  const pages: readonly (readonly [page: string, path: string, body?: object])[] = [
    ['Overview', `/v1/events/counts?step=hour&from=${day}`],
    ['Overview', `/v1/events/counts?step=minute&from=${day}&tenant=${LOG_TENANT}`],
    ['Overview', '/v1/services'],
    ['Subjects', `${ofTenant}/subjects?limit=50`],
    ['Subjects', `${ofTenant}/subjects?limit=50&credential=locked`],
    ['Subjects', `${ofTenant}/subjects:search`, { phone }],
    ['Subjects', `${ofTenant}/subjects/b0050000`],
    ['Subjects', `/v1/events?limit=50&tenant=${LOG_TENANT}&subject=customer-7`],
    ['Attacks', '/v1/attacks'],
    ['Attacks', `/v1/attacks?tenant=${LOG_TENANT}`],
    ['Attacks', `${ofTenant}/overrides`],
    ['Tenants', '/v1/tenants'],
    ['Tenants', `${ofTenant}/policy`],
    ['Audit', '/v1/events?limit=50'],
    ['Audit', `/v1/events?limit=50&tenant=${LOG_TENANT}&type=attempt.decided`],
    ['Audit', '/v1/log'],
    ['Webhooks', `${ofTenant}/webhooks`],
  ];
  for (const [page, path, body] of pages) {
    const times: number[] = [];
    for (let n = 0; n < requests; n++) {
      const begun = performance.now();
      const answer = await fetch(`${product.restUrl}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${product.adminKey}`, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
      times.push(performance.now() - begun);
    }
    const request = path.replace(day, '…');
    results.push({ page, request, times: latency(times) });
    say(`${request}: p99 ${latency(times).p99.toFixed(0)} ms`);
  }
}
