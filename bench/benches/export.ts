import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@countersign/embedded-postgres';
import { openDatabase } from '@countersign/persistence';
import { processorMs } from '@countersign/testing';
import { AUDIT_MIGRATIONS } from '../../apps/audit/migrations/index.js';
import { startApp, type Running } from '../children.js';
import { closingAll } from '../lifetime.js';
import { options } from '../options.js';
import { keep, row, say } from '../report.js';
import { fillLog, LOG_TENANTS } from '../stored-log.js';

/**
 * Exports all events of the audit service, a process of its own, in each format, while its resident memory is sampled. The
 * goals: 20,000 events a second, under 200 MiB.
 */
const given = options({ rows: '1000000', formats: 'ndjson,csv,ndjson.gz', rounds: '2' });
const rows = Number(given.rows);
const GOAL_PER_SECOND = 20_000;
const GOAL_MIB = 200;
const TENANT = 'tenant-7';
const LOG_ORIGIN = 'bench.example/audit';
const ADMIN_KEY = randomBytes(24).toString('base64url');

interface Measured {
  readonly name: string;
  readonly events: number;
  readonly perSecond: number;
  readonly mibPerSecond: number;
  readonly peakMib: number;
  readonly processorMsOfService: number;
}

const results: Measured[] = [];
await closingAll(async (onClose) => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  onClose(() => rm(folder, { recursive: true, force: true }));
  // PostgreSQL does not run as root, and its account must be able to enter the folder.
  chmodSync(folder, 0o755);
  const postgres = await startEmbeddedPostgres({ dataDir: join(folder, 'postgres') });
  onClose(() => postgres.close());
  const database = await openDatabase({
    ...{ url: postgres.url, schema: 'audit', migrations: AUDIT_MIGRATIONS, as: 'administrator' },
    ...{ applicationName: 'countersign bench', statementTimeoutMs: 600_000 },
  });
  onClose(() => database.close());
  const env = {
    ...{ DATABASE_URL: postgres.url, HOST: '127.0.0.1' },
    ...{ ADMIN_API_KEY: ADMIN_KEY, AUDIT_KEYS: `k1:${randomBytes(32).toString('base64url')}` },
    ...{ AUDIT_PORT: '0', OPS_PORT: '0', LOG_LEVEL: 'info', LOG_ORIGIN },
  };
  await fillLog(database, rows, LOG_ORIGIN);
  const service = await startApp('audit', env, join(folder, 'log'), join('bench', 'audit-service.js'));
  onClose(() => service.close());
  const warm = await measureExport(service, 'warm-up', `format=ndjson&tenant=${TENANT}`);
  say(`warm-up: ${warm.events} events`);
  for (let round = 0; round < Number(given.rounds); round++) {
    for (const format of given.formats.split(','))
      results.push(await measureExport(service, format, `format=${format}`));
    results.push(await measureExport(service, 'ndjson of a tenant', `format=ndjson&tenant=${TENANT}`));
  }
});

const lines = results.map(({ name, events, perSecond, mibPerSecond, peakMib, processorMsOfService }) =>
  row(
    `${name}, ${events} events`,
    `${perSecond.toFixed(0)} events/s, ${mibPerSecond.toFixed(1)} MiB/s, ${peakMib.toFixed(0)} MiB, ${((processorMsOfService * 1000) / events).toFixed(1)} µs each`,
  ),
);
process.stdout.write(`\n${lines.join('\n')}\n`);
const isReached = results.every(({ perSecond, peakMib }) => perSecond >= GOAL_PER_SECOND && peakMib < GOAL_MIB);
keep('export', { at: new Date().toISOString(), rows, isReached, results });
if (!isReached) process.exitCode = 1;

async function measureExport({ urls, pid }: Running, name: string, query: string): Promise<Measured> {
  let peakMib = residentMib(pid);
  const sampler = setInterval(() => (peakMib = Math.max(peakMib, residentMib(pid))), 20);
  const processorBefore = processorMs(pid) ?? NaN;
  const begun = performance.now();
  const { bytes } = await download(`${urls['audit']}/v1/events/export?${query}`).finally(() => clearInterval(sampler));
  const seconds = (performance.now() - begun) / 1000;
  const events = query.includes('tenant=') ? rows / LOG_TENANTS : rows;
  const measured = {
    ...{ name, events, perSecond: events / seconds, mibPerSecond: bytes / seconds / 1024 ** 2, peakMib },
    processorMsOfService: (processorMs(pid) ?? NaN) - processorBefore,
  };
  say(`${name}: ${measured.perSecond.toFixed(0)} events/s, ${peakMib.toFixed(0)} MiB`);
  return measured;
}

/** Reads an answer to its end. @throws Error when it breaks off */
function download(url: string): Promise<{ bytes: number }> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { authorization: `Bearer ${ADMIN_KEY}` } }, (answer) => {
      let bytes = 0;
      answer.on('data', (part: Buffer) => (bytes += part.length));
      answer.once('end', () =>
        answer.statusCode === 200 ? resolve({ bytes }) : reject(new Error(`refused with ${answer.statusCode}`)),
      );
      answer.once('aborted', () => reject(new Error('the export broke off')));
    }).once('error', reject);
  });
}

function residentMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN) / 1024;
}
