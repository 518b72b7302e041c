import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LOCKED, openWorld, PIN, WRONG, type EnrolledSubject, type World } from '../e2e/world.js';
import { newName, newPhone, type Agent, type Json } from '../client.js';
import { Ledger } from '../ledger.js';
import { startSeparate, type SeparateProduct } from '../product.js';

/** `perWindow` of the default policy. */
const BUDGET = 3;

/**
 * Caller id can be forged. An attacker who makes attempts under own numbers and under the number of a recognized caller
 * must not get an attempt window for each.
 */
describe('an attacker who forges the number of a recognized caller', () => {
  let product: SeparateProduct;
  let ledger: Ledger;
  let world: World;
  beforeAll(async () => {
    product = await startSeparate();
    ledger = await Ledger.open(product.databaseUrl);
    world = await openWorld(product);
  }, 180_000);
  afterAll(async () => {
    await ledger.close();
    await product.remove();
  }, 60_000);

  const byNumber = async (subject: string, caller: string, pin: string, agent = world.agent) =>
    world.client.swaig(agent, { pin, customerId: subject, caller });
  const isVerified = (text: string): boolean => text.includes('"verified":true');

  /** A subject with a recognized telephone, from which it has verified. */
  const recognized = async (): Promise<EnrolledSubject> => {
    const enrolled = await world.enrol();
    expect(isVerified((await byNumber(enrolled.subject, enrolled.phone, PIN)).text)).toBe(true);
    return enrolled;
  };

  /** Three attempts of unrecognized callers, then three under the number of the recognized one. */
  const attack = async ({ subject, phone }: EnrolledSubject, pins: readonly string[]): Promise<boolean[]> => {
    const verified: boolean[] = [];
    for (const [at, pin] of pins.entries()) {
      const caller = at < BUDGET ? newPhone() : phone;
      verified.push(isVerified((await byNumber(subject, caller, pin)).text));
    }
    return verified;
  };

  it('gets three comparisons of six attempts, of which unrecognized callers made two', async () => {
    const target = await recognized();
    await attack(target, Array<string>(2 * BUDGET).fill(WRONG));
    const rows = (await ledger.attempts([world.tenant])).filter(({ subject_id }) => subject_id === target.subject);
    const [success, ...attempts] = rows.map(({ granted }) => granted);
    expect(success).toBe(true);
    expect(attempts).toEqual([true, true, false, true, false, false]);
  });

  it.each([0, 1, 2, 3, 4, 5])('is verified by the right PIN in attempt %d only if it is compared', async (right) => {
    const target = await recognized();
    const pins = Array.from({ length: 2 * BUDGET }, (_, at) => (at === right ? PIN : WRONG));
    const verified = await attack(target, pins.slice(0, right + 1));
    expect(verified.lastIndexOf(true)).toBe([0, 1, 3].includes(right) ? right : -1);
  });

  it('locks every caller out with the reserved attempt, over both adapters', async () => {
    const target = await recognized();
    await attack(target, Array<string>(BUDGET + 1).fill(WRONG));
    for (const caller of [target.phone, newPhone()])
      expect((await byNumber(target.subject, caller, PIN)).json).toEqual(LOCKED);
    const { json } = await world.client.verify(world.agent, { subject: target.subject, pin: PIN });
    expect(json).toMatchObject({ outcome: 'locked' });
  });

  it('cannot lock the recognized caller out without the forged number, with any number of attempts', async () => {
    const { subject, phone } = await recognized();
    for (let n = 0; n < 2 * BUDGET; n++) {
      await byNumber(subject, newPhone(), WRONG);
      await world.client.verify(world.agent, { subject, pin: WRONG });
    }
    expect(isVerified((await byNumber(subject, newPhone(), PIN)).text)).toBe(false);
    expect(isVerified((await byNumber(subject, phone, PIN)).text)).toBe(true);
  });

  it('learns from no answer whether a subject exists or has a recognized caller, even where answers state the remaining attempts', async () => {
    const telling = await world.client.createAgent(world.tenant, { tellAttemptsLeft: true });
    const spoken = async (agent: Agent, subject: string): Promise<string[]> => {
      const texts: string[] = [];
      for (const pin of [WRONG, WRONG, WRONG, WRONG, WRONG])
        texts.push((await byNumber(subject, newPhone(), pin, agent)).text);
      return texts;
    };
    const typed = async (subject: string): Promise<Json[]> => {
      const answers: Json[] = [];
      for (const pin of [WRONG, WRONG, WRONG, WRONG, WRONG]) {
        const { json } = await world.client.verify(telling, { subject, pin });
        answers.push({ ...json, verificationId: 'masked' });
      }
      return answers;
    };
    const targets = async (): Promise<string[]> => [
      (await recognized()).subject,
      (await world.enrol()).subject,
      newName('nobody'),
    ];
    for (const play of [typed, ...[world.agent, telling].map((agent) => (subject: string) => spoken(agent, subject))]) {
      const seen: unknown[] = [];
      for (const subject of await targets()) seen.push(await play(subject));
      expect(seen[0]).toEqual(seen[2]);
      expect(seen[1]).toEqual(seen[2]);
    }
  });
});
