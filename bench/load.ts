import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { keepInFlight, latency } from './figures.js';

/**
 * Verifies right PINs of many subjects over SWAIG, a fixed number in flight. Reads its plan from standard input as JSON;
 * prints verified per second, and the milliseconds. Anything but a verified answer ends it with an error.
 */
interface Plan {
  readonly url: string;
  readonly authorization: string;
  readonly callers: readonly { readonly phone: string; readonly pin: string }[];
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly inFlight: number;
}

const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const plan = JSON.parse(Buffer.concat(chunks).toString()) as Plan;
const agent = new Agent({ keepAlive: true, maxSockets: plan.inFlight });
const { hostname, port } = new URL(plan.url);

function verify(n: number): Promise<void> {
  const { phone, pin } = plan.callers[n % plan.callers.length] as Plan['callers'][number];
  const body = JSON.stringify({
    function: 'verify_pin',
    argument: { parsed: [{ pin }], raw: JSON.stringify({ pin }) },
    call_id: randomUUID(),
    ai_session_id: randomUUID(),
    caller_id_num: phone,
    content_type: 'text/swaig',
    version: '2.0',
  });
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: plan.authorization,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    const sent = request({ hostname, port, path: '/swaig', method: 'POST', agent, headers }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('end', () => {
        const text = Buffer.concat(parts).toString();
        if (answer.statusCode === 200 && text.includes('"verified":true')) resolve();
        else reject(new Error(`a right PIN was answered with ${answer.statusCode}: ${text.slice(0, 200)}`));
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const warmUp = await keepInFlight(plan.inFlight, plan.warmUpSeconds, verify);
const begun = performance.now();
const times = await keepInFlight(plan.inFlight, plan.seconds, verify);
// The last ones end after the time is up.
const elapsed = (performance.now() - begun) / 1000;
agent.destroy();
const { user, system } = process.cpuUsage();
const result = {
  perSecond: times.length / elapsed,
  ...latency(times),
  done: warmUp.length + times.length,
  ownMs: (user + system) / 1000,
};
process.stdout.write(`${JSON.stringify(result)}\n`);
