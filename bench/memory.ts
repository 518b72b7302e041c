import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { type Installation } from './installation.js';
import { options } from './options.js';
import { keep, row, say } from './report.js';
import { BenchStand } from './stand.js';
import { storeSubjects } from './stored-subjects.js';

/**
 * Resident memory of the verification service while many guesses come at the same moment. It must stay below what it was
 * before, the memory of the hashes that run at a time, and 64 MiB: more guesses may wait, but they may not take memory
 * for their hash. The queue and the records in hand are set so that all of them are in hand at once, which takes more than
 * the defaults let anybody do; those whose time is over meanwhile hear `unavailable`.
 */
const given = options({ guesses: '1000', waves: '3' });
const guesses = Number(given.guesses);
const HASH_MIB = 19_456 / 1024;
const SLACK_MIB = 64;
const threads = Math.max(2, availableParallelism());

let base = NaN;
let peak = NaN;
const answers: Record<string, number> = {};
await BenchStand.with(async (stand) => {
  const random = (): string => randomBytes(32).toString('base64url');
  const [ring, identifier] = [`k1:${random()}`, random()];
  const room = { HASH_QUEUE: String(guesses), MAX_IN_FLIGHT: String(guesses), REPLY_TIMEOUT_MS: '25000' };
  const env = { ...room, CREDENTIAL_KEYS: ring, IDENTIFIER_KEY: identifier };
  const installed = await stand.install('separate', { subjects: 1, env });
  // A subject for each guess, as guesses at one subject are worked on one after the other.
  const callers = await storeSubjects(stand.databaseUrl, ring, guesses, guesses);
  const product = { ...installed, callers };
  say('warming up, one guess at a time');
  for (let n = 0; n < 100; n++) await guess(product, n);
  const pid = product.pids['verification'] ?? 0;
  base = mebibytes(pid, 'VmRSS');
  peak = base;
  const watch = setInterval(() => (peak = Math.max(peak, mebibytes(pid, 'VmRSS'))), 20);
  for (let wave = 1; wave <= Number(given.waves); wave++) {
    say(`${guesses} guesses at once, ${wave} of ${given.waves}`);
    for (const answer of await Promise.all(Array.from({ length: guesses }, (_, n) => guess(product, n)))) {
      answers[answer] = (answers[answer] ?? 0) + 1;
    }
  }
  clearInterval(watch);
});

const limit = base + threads * HASH_MIB + SLACK_MIB;
const counts = Object.entries(answers).map(([answer, count]) => row(`  answered ${answer}`, String(count)));
process.stdout.write(
  `${[
    '',
    row('MiB resident before', base.toFixed(0)),
    row(`MiB resident at most, ${guesses} guesses at once`, peak.toFixed(0)),
    row(`MiB allowed: before + ${threads} hashes at a time + ${SLACK_MIB}`, limit.toFixed(0)),
    ...counts,
  ].join('\n')}\n`,
);
keep('memory', { at: new Date().toISOString(), guesses, threads, base, peak, limit, answers });
if (!(peak <= limit)) {
  process.stderr.write('The memory is above what is allowed\n');
  process.exitCode = 1;
}

async function guess({ swaigUrl, authorization, callers }: Installation, n: number): Promise<string> {
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
  if (response.status !== 200) throw new Error(`a guess was answered with ${response.status}`);
  return text.includes('"verified":true') ? 'verified' : text.includes('right now') ? 'unavailable' : 'something else';
}

/** From the kernel: pages that are in memory, those of libraries included. */
function mebibytes(pid: number, field: 'VmRSS'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? NaN) / 1024;
}
