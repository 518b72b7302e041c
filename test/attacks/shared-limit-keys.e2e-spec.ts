import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openWorld, PIN, type World } from '../e2e/world.js';
import { newName, newPhone, type Json } from '../client.js';
import { startEmbedded, type EmbeddedProduct } from '../product.js';

const START_MS = 120_000;
const TEST_MS = 60_000;
const REFUSED = 'There have been too many requests';

describe('an attacker who names somebody else in a limit', () => {
  let product: EmbeddedProduct;
  let world: World;
  beforeAll(async () => {
    product = await startEmbedded();
    world = await openWorld(product);
  }, START_MS);
  afterAll(() => product.remove(), START_MS);

  /** What a caller on the telephone hears. */
  async function call(caller: string, customerId?: string, callId?: string): Promise<string> {
    const { client, agent } = world;
    const more = { ...(customerId === undefined ? {} : { customerId }), ...(callId === undefined ? {} : { callId }) };
    return String((await client.swaig(agent, { pin: PIN, caller, ...more })).json['response']);
  }
  const overRest = async (guess: Json): Promise<unknown> => {
    const { client, agent } = world;
    const answer = await client.ask(agent, 'POST', '/v1/verifications', { method: 'pin', pin: PIN, ...guess });
    return answer.json['outcome'];
  };

  it(
    'cannot refuse a subject over REST by calling under a name that spells it',
    async () => {
      const { subject } = await world.enrol();
      for (const caller of [`subject:${subject}`, `id:${subject}`, subject]) {
        for (let n = 0; n < 12; n++) await call(caller, newName('nobody'));
      }
      expect(await overRest({ subject })).toBe('verified');
    },
    TEST_MS,
  );

  it.each(['phone', 'callerPhone'])(
    'cannot use up the limit of a telephone by naming its number over REST as %s',
    async (field) => {
      const { subject, phone } = await world.enrol();
      const guess = field === 'phone' ? { phone } : { subject, callerPhone: phone };
      const outcomes = await Promise.all(Array.from({ length: 30 }, () => overRest(guess)));
      expect(outcomes).toContain('rate_limited');
      expect(await call(phone)).toMatch(/^Thank you/);
    },
    TEST_MS,
  );

  it(
    'cannot use up the limit of a call on the telephone by naming its id over REST',
    async () => {
      const { subject, phone } = await world.enrol();
      const callId = newName('call');
      for (let n = 0; n < 12; n++) await overRest({ subject, callId });
      expect(await call(phone, undefined, callId)).toMatch(/^Thank you/);
    },
    TEST_MS,
  );

  it(
    'cannot refuse the owner of a number for an hour by asking about five others under it',
    async () => {
      const { phone } = await world.enrol();
      const heard: string[] = [];
      for (let n = 0; n < 6; n++) heard.push(await call(phone, newName('nobody')));
      expect(heard.map((text) => text.startsWith(REFUSED))).toEqual([false, false, false, false, false, true]);
      expect(await call(phone)).toMatch(/^Thank you/);
    },
    TEST_MS,
  );

  it(
    'is still limited: a number over REST by the limit of callers, and a request without one by that of its subject',
    async () => {
      const [callerPhone, subject] = [newPhone(), newName('nobody')];
      const byCaller: unknown[] = [];
      for (let n = 0; n < 12; n++) byCaller.push(await overRest({ subject: newName('nobody'), callerPhone }));
      expect(byCaller.map((outcome) => outcome === 'rate_limited').indexOf(true)).toBe(5);
      const bySubject = await Promise.all(Array.from({ length: 30 }, () => overRest({ subject })));
      expect(bySubject.filter((outcome) => outcome !== 'rate_limited')).toHaveLength(20);
    },
    TEST_MS,
  );
});
