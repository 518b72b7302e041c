import fc from 'fast-check';
import { eventually } from '@countersign/testing';
import { CANARY, PASSWORD, PHONE, pinCall, sample, TestBed } from './test-bed.js';

let bed: TestBed;
beforeAll(async () => {
  bed = await TestBed.open({ REPLY_TIMEOUT_MS: '1000' });
});
beforeEach(() => {
  bed.decide = () => ({});
});
afterAll(() => bed.close());

/** For hundreds of requests on a busy machine. */
const LIMIT_MS = 60_000;

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
    'gets 200 and a response, in 500 mutations of real bodies',
    async () => {
      const bodies = [
        'req-captured-phone-verify_identity.json',
        'req-synthetic-every-field.json',
        'req-docs-webrtc-guest.json',
      ].map((file) => ({ ...sample(file), function: 'verify_pin' }));
      const keys = Object.keys(bodies[1] ?? {}).filter((key) => key !== 'action');
      const argument = fc.record(
        {
          parsed: fc.oneof(fc.jsonValue(), fc.array(fc.record({ pin: fc.jsonValue(), customer_id: fc.jsonValue() }))),
          raw: fc.oneof(fc.string(), fc.jsonValue()),
        },
        { requiredKeys: [] },
      );
      const changes = fc
        .record({ argument }, { requiredKeys: [] })
        .chain((one) =>
          fc.dictionary(fc.constantFrom(...keys), fc.jsonValue(), { maxKeys: 4 }).map((more) => ({ ...more, ...one })),
        );
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...bodies), changes, async (body, change) => {
          const received = await bed.send({ body: { ...body, ...change } });
          expect(received.status).toBe(200);
          expect(received.body['response']).toMatch(/\S/);
          expect(received.text).not.toContain('"verified":true');
        }),
        { numRuns: 500 },
      );
      expect(bed.log).not.toContain('"fault":"INTERNAL"');
      expect(bed.fatal).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    'gets JSON with a response and no status of 500 and above, in 200 mutations of the bytes',
    async () => {
      const bytes = JSON.stringify(pinCall({ pin: '4217' }));
      await fc.assert(
        fc.asyncProperty(fc.nat(bytes.length), fc.nat(20), fc.string({ maxLength: 8 }), async (at, length, text) => {
          const received = await bed.send({ body: bytes.slice(0, at) + text + bytes.slice(at + length) });
          expect([200, 400]).toContain(received.status);
          expect(received.body['response']).toMatch(/\S/);
        }),
        { numRuns: 200 },
      );
    },
    LIMIT_MS,
  );
});
