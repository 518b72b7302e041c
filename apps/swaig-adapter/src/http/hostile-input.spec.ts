import { readdirSync } from 'node:fs';
import fc from 'fast-check';
import { FUNCTIONS } from '@countersign/contracts';
import { eventually } from '@countersign/testing';
import { CANARY, PASSWORD, PHONE, pinCall, sample, SwaigTestBed, type ReceivedResponse } from '../../test/test-bed.js';

let bed: SwaigTestBed;
beforeAll(async () => {
  bed = await SwaigTestBed.open({ REPLY_TIMEOUT_MS: '1000' });
});
beforeEach(() => {
  bed.decide = () => ({});
});
afterAll(() => bed.close());

/** Enough for thousands of requests on a busy machine. */
const TIMEOUT_MS = 120_000;
/** Requests in flight at the same time. */
const CONCURRENCY = 25;
/** Makes the same requests in every run, so a failure can be reproduced. */
const SEED = 7;
const REQUESTS = readdirSync(new URL('../../samples/', import.meta.url)).filter(
  (file) => file.startsWith('req-') && !file.includes('get_signature'),
);
/** All fields of the sample bodies. */
const FIELDS = [...new Set(REQUESTS.flatMap((file) => Object.keys(sample(file))))].filter((name) => name !== 'action');

const anyValue = fc.oneof(
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
  anyValue,
);
const argument = fc.record(
  {
    parsed: fc.oneof(anyValue, fc.array(args), args),
    raw: fc.oneof(
      anyValue,
      args.map((one) => JSON.stringify(one)),
    ),
  },
  { requiredKeys: [] },
);
/** A sample body with another function, other arguments, fields of another type and missing fields. */
const mutatedBody = fc
  .record({
    file: fc.constantFrom(...REQUESTS),
    name: fc.oneof(fc.constantFrom(...FUNCTIONS), fc.constantFrom(...FUNCTIONS), anyValue),
    argument: fc.oneof(argument, argument, anyValue),
    changes: fc.dictionary(fc.constantFrom(...FIELDS), anyValue, { maxKeys: 4 }),
    dropped: fc.subarray(FIELDS, { maxLength: 5 }),
  })
  .map(({ file, name, argument, changes, dropped }) => {
    const body: Record<string, unknown> = { ...sample(file), function: name, argument, ...changes };
    return Object.fromEntries(Object.entries(body).filter(([field]) => !dropped.includes(field)));
  });

function isHarmless({ status, body, text }: ReceivedResponse): boolean {
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

function expectHarmless(received: ReceivedResponse): void {
  expect([isHarmless(received), received.status, received.text]).toEqual([true, 200, received.text]);
}

describe('POST /swaig with hostile input', () => {
  it('writes no PIN, telephone number or password to the log, and none in clear to the bus', async () => {
    const spoken = 'eight three seven two nine one six four';
    await bed.verify({ pin: CANARY });
    await bed.verify({ pin: spoken, customer_id: 'cust-1' });
    await bed.verify({ pin: `x${CANARY}` });
    await bed.verify({ pin: CANARY }, { function: CANARY, call_id: `my PIN is ${CANARY}` });
    await bed.send({ body: `{"pin":"${CANARY}"` });
    bed.decide = () => undefined;
    await bed.verify({ pin: CANARY });
    await eventually(
      'all requests are logged',
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
    'answers each sample body with 200 and a response, for every function',
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
    TIMEOUT_MS,
  );

  it(
    'answers 1,000 mutations of the sample bodies with 200 and a response',
    async () => {
      const sent = fc.sample(mutatedBody, { numRuns: 1000, seed: SEED });
      for (let at = 0; at < sent.length; at += CONCURRENCY) {
        const bodies = sent.slice(at, at + CONCURRENCY);
        const answers = await Promise.all(bodies.map((body) => bed.send({ body })));
        answers.forEach((received, index) => {
          if (!isHarmless(received)) throw new Error(`${received.text} to ${JSON.stringify(bodies[index])}`);
        });
      }
      expect(bed.log).not.toContain('"fault":"INTERNAL"');
      expect(bed.fatal).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'answers 250 mutations of the bytes with 200 or 400 and a response',
    async () => {
      const bytes = Buffer.from(JSON.stringify(pinCall({ pin: CANARY })));
      const cut = fc.record({ at: fc.nat(bytes.length), length: fc.nat(20), noise: fc.uint8Array({ maxLength: 8 }) });
      const sent = fc.sample(cut, { numRuns: 250, seed: SEED });
      for (let at = 0; at < sent.length; at += CONCURRENCY) {
        const bodies = sent
          .slice(at, at + CONCURRENCY)
          .map(({ at, length, noise }) => Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at + length)]));
        for (const received of await Promise.all(bodies.map((body) => bed.send({ body })))) {
          expect([200, 400]).toContain(received.status);
          expect(received.body['response']).toMatch(/\S/);
          expect(received.text).not.toContain(CANARY);
        }
      }
    },
    TIMEOUT_MS,
  );

  it('answers a body that is nested as deep as the size limit allows with 200 and a response', async () => {
    const deep = `{"function":"verify_identity","argument":{"parsed":[{"zip_code":${'['.repeat(1e5)}${']'.repeat(1e5)}}]}}`;
    expectHarmless(await bed.send({ body: deep }));
    const long = { pin: '4'.repeat(100_000), customer_id: 'x'.repeat(10_000) };
    expectHarmless(await bed.call('verify_pin', long));
  });
});
