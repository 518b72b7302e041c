import { randomUUID } from 'node:crypto';
import { beforeAll, expect, it } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { type Agent, type HttpAnswer } from '../client.js';
import { openWorld, PIN, WRONG, type World } from '../e2e/world.js';
import { type SeparateProduct } from '../product.js';

/** Below the default limit of an agent, so every attempt reaches a hash. */
export const BURST = 400;
/** Of each kind of request that is made during the burst. */
const QUIET = 5;
/** How many of the burst must still wait when the quiet requests are answered. In a first-in, first-out queue none would. */
const STILL_WAITING = BURST / 4;

/** One agent sends attempts by as many callers at as many unknown subjects, all at the same moment. */
export function burstOfOneAgent(product: () => SeparateProduct): void {
  let busy: World;
  let quiet: World;
  let otherAgent: Agent;
  let subjects: Readonly<Record<'quiet' | 'busy', readonly { subject: string; phone: string }[]>>;
  beforeAll(async () => {
    [busy, quiet] = [await openWorld(product()), await openWorld(product())];
    otherAgent = await busy.client.createAgent(busy.tenant);
    const enrol = (world: World) => Promise.all(Array.from({ length: QUIET }, () => world.enrol()));
    subjects = { quiet: await enrol(quiet), busy: await enrol(busy) };
  }, 180_000);

  /** Sends the burst; `answered` counts its answers. */
  function burst(): { answered: number; readonly all: Promise<unknown> } {
    const made = {
      answered: 0,
      all: Promise.all(
        Array.from({ length: BURST }, () =>
          busy.client.swaig(busy.agent, { pin: WRONG, customerId: `nobody-${randomUUID()}` }).then(() => {
            made.answered++;
          }),
        ),
      ),
    };
    return made;
  }

  const status = (agent: Agent): Promise<HttpAnswer> =>
    quiet.client.post(
      agent,
      JSON.stringify({ function: 'verification_status', call_id: randomUUID(), caller_id_num: '+12025550199' }),
    );

  it('right PINs and status requests of another tenant and of another agent are answered before most of the burst', async () => {
    const made = burst();
    await eventually('the first of the burst is answered', () => made.answered > 0, 60_000);
    const after = { pin: 0, status: 0, agent: 0 };
    const note = async (kind: keyof typeof after, requests: readonly Promise<HttpAnswer>[]): Promise<string[]> => {
      const answers = await Promise.all(requests);
      after[kind] = made.answered;
      return answers.map(({ text }) => text);
    };
    const pins = (world: World, agent: Agent, all: typeof subjects.quiet): Promise<HttpAnswer>[] =>
      all.map(({ phone }) => world.client.swaig(agent, { pin: PIN, caller: phone }));
    const [statuses, verified, ofAgent] = await Promise.all([
      note(
        'status',
        subjects.quiet.map(() => status(quiet.agent)),
      ),
      note('pin', pins(quiet, quiet.agent, subjects.quiet)),
      note('agent', pins(busy, otherAgent, subjects.busy)),
    ]);
    for (const text of statuses) expect(text).toContain('is not verified');
    for (const text of [...verified, ...ofAgent]) expect(text).toContain('"verified":true');
    for (const answered of Object.values(after)) expect(BURST - answered).toBeGreaterThanOrEqual(STILL_WAITING);
    await made.all;
  }, 180_000);
}
