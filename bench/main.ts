import { endWithSignals } from './lifetime.js';

/**
 * `npm run bench [-- verify|hop|path|quiet|growth|idle|enum|limits|flood|fairness|rewrap|memory|export|log|console [options]]`; `verify` by default.
 *
 * verify: verified PINs per second beside a bare argon2 loop. --rounds --seconds --in-flight --layout separate|one
 * hop:    a request and its reply over the bus beside kafkajs by hand, 1 and 50 in flight. --rounds --seconds --brokers 1|3
 * path:   the whole path without argon2 beside a bare Kafka round trip. --rounds --seconds --in-flight --layout
 * quiet:  latency at low load, without hashes and with them, beside a bare Kafka round trip. --rounds --seconds
 *         --hash both|with|without --points 1,4,16,5/s,50/s --background
 * growth: the whole path without argon2 over small tables and over full ones. --rounds --seconds --warm-up --in-flight
 *         --rows --callers
 * limits: decisions of the rate limiter's store beside rate-limiter-flexible. --rounds --seconds --in-flight --keys
 * flood:  refusals per second beside verified PINs, and honest callers under a flood. --rounds --seconds --in-flight --honest
 *         --times --watch
 * fairness: one tenant's right PINs and status requests, alone and while another tenant sends bursts. --rounds --at-once
 *         --per-second --watch
 * enum:   whether an answer reveals, by its bytes or its time, that a subject exists. --samples
 *         --channels swaig,rest
 * idle:   processor time of every service without work. --seconds
 * rewrap: rows encrypted again per second while verifications continue, none of which may fail. --rows --in-flight
 * memory: memory of verification while many attempts arrive at once. --attempts
 * log:    events per second into the audit log, delay until they are published, leaves verified per second. --events --batch
 *         --bytes --in-flight --rate --seconds --leaves
 * export: events a second and memory of the audit service during exports. --rows --formats --rounds
 * console: latency of the requests of the console's pages over full tables, and its first load in a browser. --subjects
 *         --events --requests
 */
const benches = [
  'verify',
  'hop',
  'path',
  'quiet',
  'growth',
  'idle',
  'enum',
  'limits',
  'flood',
  'fairness',
  'rewrap',
  'memory',
  'export',
  'log',
  'console',
];
if (process.argv[2]?.startsWith('--') ?? true) process.argv.splice(2, 0, 'verify');
const bench = process.argv[2] ?? '';
if (!benches.includes(bench)) {
  process.stderr.write(`There is no bench ${bench}: name one of ${benches.join(', ')}\n`);
  process.exit(1);
}
endWithSignals();
await import(`./benches/${bench}.js`);
