import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type Installation } from '../installation.js';
import { options } from '../options.js';
import { keep, row, say } from '../report.js';
import { BenchRig } from '../rig.js';
import { storeSubjects } from '../stored-subjects.js';

/**
 * Resident memory of the verification service while many attempts arrive at the same moment. The bound is the memory
 * before, plus that of the hashes that run at a time, plus 64 MiB: a waiting attempt must not hold memory for its hash.
 * The queue and the records in flight are larger than the defaults, so that all attempts are in flight at once. Attempts
 * that expire in the queue are answered with `unavailable`.
 */
const given = options({ attempts: '1000', waves: '3' });
const attempts = Number(given.attempts);
const HASH_MIB = 19_456 / 1024;
const SLACK_MIB = 64;
const threads = Math.max(2, availableParallelism());

let base = NaN;
let peak = NaN;
const answers: Record<string, number> = {};
await BenchRig.with(async (rig) => {
  const random = (): string => randomBytes(32).toString('base64url');
  const [ring, identifier] = [`k1:${random()}`, random()];
  const room = { HASH_QUEUE: String(attempts), MAX_IN_FLIGHT: String(attempts), REPLY_TIMEOUT_MS: '25000' };
  // All attempts come from one address.
  const listener = { HTTP_MAX_CONNECTIONS_PER_ADDRESS: String(2 * attempts) };
  const env = { ...room, ...listener, CREDENTIAL_KEYS: ring, IDENTIFIER_KEY: identifier };
  const installed = await rig.install('separate', { subjects: 1, env });
  // One subject for each attempt, because attempts at one subject are handled one after the other.
  const callers = await storeSubjects(rig.databaseUrl, ring, attempts, attempts);
  const product = { ...installed, callers };
  say('warming up, one attempt at a time');
  for (let n = 0; n < 100; n++) await attempt(product, n);
  const pid = product.pids['verification'] ?? 0;
  base = mebibytes(pid, 'VmRSS');
  peak = base;
  const watch = setInterval(() => (peak = Math.max(peak, mebibytes(pid, 'VmRSS'))), 20);
  try {
    for (let wave = 1; wave <= Number(given.waves); wave++) {
      say(`${attempts} attempts at once, ${wave} of ${given.waves}`);
      for (const answer of await Promise.all(Array.from({ length: attempts }, (_, n) => attempt(product, n)))) {
        answers[answer] = (answers[answer] ?? 0) + 1;
      }
    }
  } finally {
    clearInterval(watch);
  }
});

const limit = base + threads * HASH_MIB + SLACK_MIB;
const counts = Object.entries(answers).map(([answer, count]) => row(`  answered ${answer}`, String(count)));
process.stdout.write(
  `${[
    '',
    row('MiB resident before', base.toFixed(0)),
    row(`MiB resident at most, ${attempts} attempts at once`, peak.toFixed(0)),
    row(`MiB allowed: before + ${threads} hashes at a time + ${SLACK_MIB}`, limit.toFixed(0)),
    ...counts,
  ].join('\n')}\n`,
);
keep('memory', { at: new Date().toISOString(), attempts, threads, base, peak, limit, answers });
if (!(peak <= limit)) {
  process.stderr.write('The memory is above the bound\n');
  process.exitCode = 1;
}

async function attempt({ swaigUrl, authorization, callers }: Installation, n: number): Promise<string> {
  const { phone, pin } = callers[n % callers.length] as Installation['callers'][number];
  const response = await fetch(`${swaigUrl}/swaig`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({
      function: 'verify_pin',
      argument: { parsed: [{ pin }], raw: JSON.stringify({ pin }) },
      call_id: randomUUID(),
      ai_session_id: randomUUID(),
      caller_id_num: phone,
    }),
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`an attempt was answered with ${response.status}`);
  return text.includes('"verified":true') ? 'verified' : text.includes('right now') ? 'unavailable' : 'something else';
}

/** Resident pages as the kernel counts them, including those of libraries. */
function mebibytes(pid: number, field: 'VmRSS'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? NaN) / 1024;
}
