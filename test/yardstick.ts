/**
 * Repeats a fixed amount of work of the kind that services do, and pauses in between, until its input ends. Prints the
 * processor milliseconds of one unit. It runs beside what it is compared with, so a slower or a busier machine changes both.
 * It uses Node only: a change of the product or of a package must not change it.
 */
import { createCipheriv, createHash, createHmac, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const WARM_UP_UNITS = 60;
const PAUSE_MS = 15;
const REPETITIONS = 20;

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const key = randomBytes(32);
const message = JSON.stringify({
  ...{ type: 'example', tenant: 'tenant', agent: 'agent', at: '2026-11-28T00:00:00.000Z', number: 12, flag: true },
  items: Array.from({ length: 12 }, (_, at) => ({ name: `name-${at}`, value: key.toString('hex') })),
});

const echo = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
await once(echo, 'listening');
const socket = connect((echo.address() as AddressInfo).port, '127.0.0.1').setNoDelay();
await once(socket, 'connect');

async function unit(): Promise<void> {
  for (let n = 0; n < REPETITIONS; n++) {
    const text = JSON.stringify({ ...(JSON.parse(message) as object), n });
    const digest = createHash('sha256').update(text).digest('hex');
    const cipher = createCipheriv('aes-256-gcm', key, randomBytes(12));
    const sealed = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
    createHmac('sha256', key).update(digest).update(sealed).digest();
    const answered = once(socket, 'data');
    socket.write(sealed);
    await answered;
  }
  verify(null, Buffer.from(message), publicKey, sign(null, Buffer.from(message), privateKey));
}

const isEnded = { value: false };
process.stdin.once('end', () => (isEnded.value = true)).resume();
for (let n = 0; n < WARM_UP_UNITS; n++) await unit();
process.stdout.write('ready\n');
const before = process.cpuUsage();
let units = 0;
while (!isEnded.value) {
  await unit();
  units += 1;
  await pause(PAUSE_MS);
}
const { user, system } = process.cpuUsage(before);
process.stdout.write(`${(user + system) / 1000 / units}\n`, () => process.exit(0));
