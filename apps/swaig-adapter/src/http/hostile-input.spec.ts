import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { FUNCTIONS } from '@countersign/contracts';
import { eventually } from '@countersign/testing';
import { CANARY, PASSWORD, PHONE, pinCall, sample, SwaigTestBed, type Received } from '../../test/test-bed.js';

let bed: SwaigTestBed;
beforeAll(async () => {
  bed = await SwaigTestBed.open({ REPLY_TIMEOUT_MS: '1000' });
});
beforeEach(() => {
  bed.decide = () => ({});
});
afterAll(() => bed.close());

/** For thousands of requests on a busy machine. */
const LIMIT_MS = 120_000;
/** Requests in flight at a time. */
const TOGETHER = 25;
/** The same requests in every run: what fails once fails again. */
const SEED = 7;
const REQUESTS = readdirSync(new URL('../../samples/', import.meta.url)).filter(
  (file) => file.startsWith('req-') && !file.includes('get_signature'),
);
/** Every field that any surface sends. */
const FIELDS = [...new Set(REQUESTS.flatMap((file) => Object.keys(sample(file))))].filter((name) => name !== 'action');

const leaf = fc.oneof(
  fc.jsonValue(),
  fc.string({ maxLength: 5000 }),
  fc.constantFrom('', 'true', 'false', 'null', '{}', CANARY, PASSWORD, PHONE, 1e21, -0, true, null),
);
const args = fc.dictionary(
  fc.constantFrom(
    'pin',
    'customer_id',
    'department',
    'last_four_ssn',
    'zip_code',
    'verified',
    '__proto__',
    'constructor',
  ),
  leaf,
);
const argument = fc.record(
  {
    parsed: fc.oneof(leaf, fc.array(args), args),
    raw: fc.oneof(
      leaf,
      args.map((one) => JSON.stringify(one)),
    ),
  },
  { requiredKeys: [] },
);
/** A real body with another function, other arguments, fields changed in type and fields dropped. */
const mutated = fc
  .record({
    file: fc.constantFrom(...REQUESTS),
    name: fc.oneof(fc.constantFrom(...FUNCTIONS), fc.constantFrom(...FUNCTIONS), leaf),
    argument: fc.oneof(argument, argument, leaf),
    changes: fc.dictionary(fc.constantFrom(...FIELDS), leaf, { maxKeys: 4 }),
    dropped: fc.subarray(FIELDS, { maxLength: 5 }),
  })
  .map(({ file, name, argument, changes, dropped }) => {
    const body: Record<string, unknown> = { ...sample(file), function: name, argument, ...changes };
    return Object.fromEntries(Object.entries(body).filter(([field]) => !dropped.includes(field)));
  });

function isHarmless({ status, body, text }: Received): boolean {
  const secrets = [CANARY, PASSWORD, PHONE].some((secret) => text.includes(secret));
  const response = body['response'];
  return (
    status === 200 &&
    typeof response === 'string' &&
    /\S/.test(response) &&
    !text.includes('"verified":true') &&
    !secrets
  );
}

function expectHarmless(received: Received): void {
  expect([isHarmless(received), received.status, received.text]).toEqual([true, 200, received.text]);
}

describe('whatever comes', () => {
  it('the PIN, the number and the password are in no log line, and in no record in clear', async () => {
    const spoken = 'eight three seven two nine one six four';
    await bed.verify({ pin: CANARY });
    await bed.verify({ pin: spoken, customer_id: 'cust-1' });
    await bed.verify({ pin: `x${CANARY}` });
    await bed.verify({ pin: CANARY }, { function: CANARY, call_id: `my PIN is ${CANARY}` });
    await bed.send({ body: `{"pin":"${CANARY}"` });
    bed.decide = () => undefined;
    await bed.verify({ pin: CANARY });
    await eventually(
      'all is logged',
      () => bed.log.split('\n').filter((line) => line.includes('"outcome"')).length > 5,
    );
    const call = /"call":"([\w.:-]+)","function":"verify_pin","outcome":"\w+".*"ms":\d+/;
    expect(bed.log).toMatch(call);
    for (const secret of [CANARY, spoken, PHONE, PHONE.slice(1), PASSWORD, 'umbrella']) {
      expect(bed.log).not.toContain(secret);
      expect(bed.bytes).not.toContain(secret);
    }
  });

  it(
    'each real body gets 200 and a response, whatever function it calls',
    async () => {
      for (const file of REQUESTS) {
        for (const name of [undefined, ...FUNCTIONS]) {
          const received = await bed.send({
            body: { ...sample(file), ...(name === undefined ? {} : { function: name }) },
          });
          expectHarmless(received);
        }
      }
    },
    LIMIT_MS,
  );

  it(
    'gets 200 and a response, in 2,000 mutations of real bodies',
    async () => {
      const sent = fc.sample(mutated, { numRuns: 2000, seed: SEED });
      for (let at = 0; at < sent.length; at += TOGETHER) {
        const bodies = sent.slice(at, at + TOGETHER);
        const answers = await Promise.all(bodies.map((body) => bed.send({ body })));
        answers.forEach((received, index) => {
          if (!isHarmless(received)) throw new Error(`${received.text} to ${JSON.stringify(bodies[index])}`);
        });
      }
      expect(bed.log).not.toContain('"fault":"INTERNAL"');
      expect(bed.fatal).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    'gets JSON with a response and no status of 500 and above, in 500 mutations of the bytes',
    async () => {
      const bytes = Buffer.from(JSON.stringify(pinCall({ pin: CANARY })));
      const cut = fc.record({ at: fc.nat(bytes.length), length: fc.nat(20), noise: fc.uint8Array({ maxLength: 8 }) });
      const sent = fc.sample(cut, { numRuns: 500, seed: SEED });
      for (let at = 0; at < sent.length; at += TOGETHER) {
        const bodies = sent
          .slice(at, at + TOGETHER)
          .map(({ at, length, noise }) => Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at + length)]));
        for (const received of await Promise.all(bodies.map((body) => bed.send({ body })))) {
          expect([200, 400]).toContain(received.status);
          expect(received.body['response']).toMatch(/\S/);
          expect(received.text).not.toContain(CANARY);
        }
      }
    },
    LIMIT_MS,
  );

  it('gets 200 and a response for a body that is nested as deep as the limit allows', async () => {
    const deep = `{"function":"verify_identity","argument":{"parsed":[{"zip_code":${'['.repeat(1e5)}${']'.repeat(1e5)}}]}}`;
    expectHarmless(await bed.send({ body: deep }));
    const long = { pin: '4'.repeat(100_000), customer_id: 'x'.repeat(10_000) };
    expectHarmless(await bed.call('verify_pin', long));
  });
});
