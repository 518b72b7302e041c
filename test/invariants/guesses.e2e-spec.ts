import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { AuditEvents } from '../audit-events.js';
import { Client, newName, newPhone, type Agent, type HttpAnswer } from '../client.js';
import { differences, Ledger, type LedgerRow } from '../ledger.js';
import { SHORT_SESSIONS, startSeparate, type SeparateProduct } from '../product.js';
import { dieAt } from './kills.js';

const PIN = '48213';
/** `npm run test:invariants` runs all of them. */
const RUNS = process.env['INVARIANTS_FORM'] === 'full' ? 20 : 1;
const GUESSES = 500;
/** Attempts with the right PIN, sent while wrong ones are still in flight. */
const RIGHT_ONES = 10;
/** Attempts over REST by telephone number: they use another partition of the topic, and so other copies. */
const GUESSES_BY_PHONE = 50;
const BUDGET = 3;
/** The commits at which a copy of verification dies. */
const COMMITS = [
  { point: 'sql verification.count', when: 'before' },
  { point: 'sql verification.count', when: 'after' },
  { point: 'sql verification.decide', when: 'before' },
  { point: 'sql verification.decide', when: 'after' },
] as const;
const TARGETS = 24;
const UNLIMITED = { limit: 1_000_000, periodSeconds: 60 };

describe('two copies of every service', () => {
  let product: SeparateProduct;
  let client: Client;
  let ledger: Ledger;
  let events: AuditEvents;
  let agent: Agent;
  let targets: string[];
  const tenant = newName('tenant');

  beforeAll(async () => {
    product = await startSeparate({ copies: 2, env: SHORT_SESSIONS });
    client = new Client(product);
    ledger = await Ledger.open(product.databaseUrl);
    events = await AuditEvents.follow(product);
    const lifted = ['caller', 'call', 'subject', 'agent', 'tenant', 'subjectsPerCaller'].map((name) => [
      name,
      UNLIMITED,
    ]);
    await client.putTenant(tenant, { limits: Object.fromEntries(lifted) as Record<string, unknown> });
    agent = await client.createAgent(tenant);
    // Before the first death, because enrolments time out while a group rebalances.
    targets = Array.from({ length: TARGETS }, () => newName('target'));
    await Promise.all(targets.map((subject) => client.putSubject(tenant, subject)));
    await Promise.all(targets.map((subject) => client.putPin(tenant, subject, PIN)));
  }, 180_000);
  afterAll(async () => {
    await events.close();
    await ledger.close();
    await product.remove();
  }, 60_000);

  const attemptsAt = async (subject: string): Promise<LedgerRow[]> =>
    (await ledger.attempts()).filter(({ subject_id }) => subject_id === subject);

  it.each(Array.from({ length: RUNS }, (_, run) => run + 1))(
    'compare exactly three of 500 attempts that arrive at once, and none with the right PIN among the last of them (run %d)',
    async () => {
      const subject = newName('target');
      const phone = newPhone();
      await client.putSubject(tenant, subject, { phones: [phone] });
      await client.putPin(tenant, subject, PIN);

      const wrong = (guess: number): string => String(50_000 + guess);
      const bySwaig = Array.from({ length: GUESSES }, (_, guess) =>
        client.swaig(agent, { pin: wrong(guess), customerId: subject, caller: newPhone() }, guess),
      );
      const byPhone = Array.from({ length: GUESSES_BY_PHONE }, (_, guess) =>
        client.verify(agent, { phone, pin: wrong(GUESSES + guess) }, {}, guess),
      );
      const budgetSpent = Promise.any(
        bySwaig.map(async (answer) =>
          outcomeOf(await answer) === 'locked' ? true : Promise.reject(new Error('not yet')),
        ),
      );
      await budgetSpent;
      const last = Array.from({ length: RIGHT_ONES }, (_, guess) =>
        client.swaig(agent, { pin: PIN, customerId: subject, caller: newPhone() }, guess),
      );
      const [spoken, overRest, tooLate] = await Promise.all([bySwaig, byPhone, last].map((all) => Promise.all(all)));
      if (!spoken || !overRest || !tooLate) throw new Error('no answers');
      for (const answer of tooLate) expect(['locked', 'unavailable']).toContain(outcomeOf(answer));

      for (const { status, json } of spoken)
        expect([status, json['response']]).toEqual([200, expect.stringMatching(/\S/)]);
      const outcomes = [...spoken.map(outcomeOf), ...overRest.map(({ json }) => String(json['outcome']))];
      for (const outcome of outcomes) expect(['rejected', 'locked', 'unavailable']).toContain(outcome);
      expect(outcomes.filter((outcome) => outcome === 'rejected')).toHaveLength(BUDGET - 1);

      const right = async (): Promise<string> =>
        String((await client.verify(agent, { subject, pin: PIN })).json['outcome']);
      // Behind hundreds of attempts the first answers may come too late.
      const later = await eventually('the right PIN is answered', async () => known(await right()), 60_000);
      expect(later).toBe('locked');
      expect(known(outcomeOf(await client.swaig(agent, { pin: PIN, customerId: subject })))).toBe('locked');

      const rows = await attemptsAt(subject);
      expect(rows.filter(({ granted }) => granted)).toHaveLength(BUDGET);
      expect(rows.filter(({ outcome }) => outcome === 'rejected')).toHaveLength(BUDGET - 1);
      expect(rows.filter(({ outcome }) => outcome === 'verified')).toHaveLength(0);
    },
    120_000,
  );

  // Together, because each copy that dies spends most of its time on its start and on joining its group.
  it(`never lower a count when ${COMMITS.length} more are killed before and after their commits`, async () => {
    const stop = new AbortController();
    const guess = async (subject: string): Promise<void> => {
      while (!stop.signal.aborted) await client.verify(agent, { subject, pin: '50001' });
    };
    const seen = new Map<string, number>();
    const shrunk: string[] = [];
    const watch = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        for (const [key, tries] of await ledger.tries(tenant)) {
          if (tries < (seen.get(key) ?? 0)) shrunk.push(`${key}: ${seen.get(key)} became ${tries}`);
          seen.set(key, tries);
        }
      }
    };
    const load = Promise.all([...targets.map(guess), watch()]);
    const dying = COMMITS.map(async (commit) => ({
      ...commit,
      died: await dieAt({ product }, { service: 'verification', ...commit, hit: 2 }),
    }));
    const deaths = await Promise.all(dying).finally(() => stop.abort());
    await load;
    expect({ deaths, shrunk }).toEqual({ deaths: COMMITS.map((commit) => ({ ...commit, died: true })), shrunk: [] });
    for (const subject of targets) {
      const rows = await attemptsAt(subject);
      expect(rows.filter(({ granted }) => granted)).toHaveLength(Math.min(BUDGET, rows.length));
      expect(rows.map(({ number }) => Number(number))).toEqual(rows.map((_, at) => at + 1));
    }
  }, 180_000);

  it('have counted, decided and published each of these attempts once', async () => {
    expect(await differences(ledger, events)).toEqual([]);
  }, 120_000);
});

function known(outcome: string): string | undefined {
  return outcome === 'unavailable' ? undefined : outcome;
}

/** Reads the outcome from an answer of the SWAIG adapter. */
function outcomeOf({ json, text }: HttpAnswer): string {
  if (text.includes('"verified":true')) return 'verified';
  const response = String(json['response']);
  if (response.startsWith('I am sorry, that does not match')) return 'rejected';
  if (response.includes('connect you to a person')) return 'locked';
  if (response.includes('right now')) return 'unavailable';
  return response;
}
