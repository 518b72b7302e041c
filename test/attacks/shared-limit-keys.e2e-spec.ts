import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openWorld, PIN, type World } from '../e2e/world.js';
import { newName, newPhone, type Json } from '../client.js';
import { startEmbedded, type EmbeddedProduct } from '../product.js';

const START_MS = 120_000;
const TEST_MS = 60_000;
const REFUSED = 'There have been too many requests';

describe("an attacker who uses another caller's identity as the key of a limit", () => {
  let product: EmbeddedProduct;
  let world: World;
  beforeAll(async () => {
    product = await startEmbedded();
    world = await openWorld(product);
  }, START_MS);
  afterAll(() => product.remove(), START_MS);

  /** @returns the spoken answer to a caller on the telephone */
  async function call(caller: string, customerId?: string, callId?: string): Promise<string> {
    const { client, agent } = world;
    const more = { ...(customerId === undefined ? {} : { customerId }), ...(callId === undefined ? {} : { callId }) };
    return String((await client.swaig(agent, { pin: PIN, caller, ...more })).json['response']);
  }
  const overRest = async (guess: Json): Promise<unknown> => {
    const { client, agent } = world;
    const answer = await client.agentRequest(agent, 'POST', '/v1/verifications', { method: 'pin', pin: PIN, ...guess });
    return answer.json['outcome'];
  };

  it(
    'cannot get a subject refused over REST by calling under a name that equals the key of its limit',
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
    'cannot use up the limit of a telephone by sending its number over REST as %s',
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
    'cannot use up the limit of a telephone call by sending its id over REST',
    async () => {
      const { subject, phone } = await world.enrol();
      const callId = newName('call');
      for (let n = 0; n < 12; n++) await overRest({ subject, callId });
      expect(await call(phone, undefined, callId)).toMatch(/^Thank you/);
    },
    TEST_MS,
  );

  it(
    'cannot get the owner of a number refused for an hour by attempts at five other subjects under that number',
    async () => {
      const { phone } = await world.enrol();
      const answers: string[] = [];
      for (let n = 0; n < 6; n++) answers.push(await call(phone, newName('nobody')));
      expect(answers.map((text) => text.startsWith(REFUSED))).toEqual([false, false, false, false, false, true]);
      expect(await call(phone)).toMatch(/^Thank you/);
    },
    TEST_MS,
  );

  it(
    'is limited over REST by the limit of callers when a number is sent, and else by that of the subject',
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
