import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { Client, newName, newPhone, type Agent, type HttpAnswer } from '../client.js';
import { Ledger } from '../ledger.js';
import { type SeparateProduct } from '../product.js';

/** `LIMIT_RUNS=10` tests the whole promise; `npm test` does one run of each test. */
const RUNS = Number(process.env['LIMIT_RUNS'] ?? 1);
const REQUESTS = Number(process.env['LIMIT_REQUESTS'] ?? 600);
const LIMIT = 10;
const COPIES = 4;
const WIDE = { limit: 1_000_000, periodSeconds: 60 };
const LIMITS = {
  ...{ call: WIDE, subject: WIDE, agent: WIDE, tenant: WIDE, subjectsPerCaller: WIDE },
  caller: { limit: LIMIT, periodSeconds: 3600 },
};

/** Needs a product whose counters no other test has filled. */
export function exactLimits(started: () => SeparateProduct): void {
  let product: SeparateProduct;
  let client: Client;
  let ledger: Ledger;
  let agent: Agent;
  let full = 0;

  beforeAll(async () => {
    product = started();
    for (let copy = 1; copy < COPIES; copy++) await product.addCopy('rate-limit');
    client = new Client(product);
    ledger = await Ledger.open(product.databaseUrl);
    const tenant = newName('tenant');
    await client.putTenant(tenant, { limits: LIMITS });
    agent = await client.createAgent(tenant);
  }, 300_000);
  afterAll(() => ledger.close());

  /** One caller attempts a different subject each time, so that every copy gets requests. */
  async function flood(duringFlood: () => Promise<void> = () => Promise.resolve()): Promise<HttpAnswer[]> {
    const caller = newPhone();
    // New names in each run: a used-up attempt window would answer instead of the limiter.
    const nobody = newName('nobody');
    const guesses = Array.from({ length: REQUESTS }, (_, n) =>
      client.swaig(agent, { pin: '48213', customerId: `${nobody}-${n}`, caller }),
    );
    await duringFlood();
    return Promise.all(guesses);
  }

  const passed = (answers: readonly HttpAnswer[]): number =>
    answers.filter(({ json }) => String(json['response']).includes('does not match')).length;
  const refused = (answers: readonly HttpAnswer[]): number =>
    answers.filter(({ json }) => String(json['response']).includes('too many requests')).length;

  it.each(Array.from({ length: RUNS }, (_, run) => run + 1))(
    'admit exactly ten of many parallel requests of one caller (run %d)',
    async () => {
      const answers = await flood();
      expect([passed(answers), refused(answers)]).toEqual([LIMIT, REQUESTS - LIMIT]);
      expect(await ledger.callersByAdmitted(LIMIT)).toEqual({ full: ++full, over: 0 });
    },
    180_000,
  );

  it.each(Array.from({ length: RUNS }, (_, run) => run + 1))(
    'admit no more than ten requests of one caller when one of them is killed during the flood (run %d)',
    async () => {
      const answers = await flood(() => product.kill('rate-limit'));
      // Requests at the killed copy may get no answer in time, and none may be admitted twice.
      expect(passed(answers)).toBeLessThanOrEqual(LIMIT);
      full++;
      await eventually(
        'the caller has used its limit and no more',
        async () => {
          const { full: reached, over } = await ledger.callersByAdmitted(LIMIT);
          return over === 0 && reached === full;
        },
        60_000,
      );
      await product.restart('rate-limit');
    },
    240_000,
  );

  it('repeat the answer of an admitted request at another adapter that already refuses the caller', async () => {
    await product.addCopy('swaig-adapter');
    const [here, there] = [0, 1];
    const [caller, nobody] = [newPhone(), newName('nobody')];
    const callOf = (n: number) => ({
      ...{ pin: '48213', customerId: `${nobody}-${n}`, caller },
      ...{ callId: `${nobody}-call`, session: nobody },
    });
    const answers: HttpAnswer[] = [];
    for (let n = 0; n < LIMIT; n++) answers.push(await client.swaig(agent, callOf(n), here));
    const refusals = [LIMIT, LIMIT + 1].map((n) => client.swaig(agent, callOf(n), there));
    expect([passed(answers), refused(await Promise.all(refusals))]).toEqual([LIMIT, 2]);
    for (const n of [LIMIT - 1, 0]) {
      const repeated = await client.swaig(agent, callOf(n), there);
      expect(repeated.json).toEqual(answers[n]?.json);
    }
    expect(refused([await client.swaig(agent, callOf(LIMIT + 2), there)])).toBe(1);
  }, 120_000);
}
