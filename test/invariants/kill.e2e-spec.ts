import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TOPICS } from '@countersign/contracts';
import { createBroker } from '@countersign/messaging';
import { eventually } from '@countersign/testing';
import { openCheckpoint, parseVerifierKey, type Checkpoint } from '@countersign/transparency-log';
import { Client as Postgres } from 'pg';
import { AuditEvents } from '../audit-events.js';
import { Client, newName, type Agent } from '../client.js';
import { differences, Ledger } from '../ledger.js';
import { dieAt } from './kills.js';
import { SERVICES, SHORT_SESSIONS, startSeparate, type SeparateProduct, type ServiceName } from '../product.js';

const PIN = '48213';
const WRONG = '99481';
const SUBJECTS = process.env['INVARIANTS_FORM'] === 'full' ? 100 : 50;
/** Answers received before the service is killed; the other requests are in flight. */
const ANSWERED_BEFORE = 20;
const UNLIMITED = { limit: 1_000_000, periodSeconds: 60 };

/** A verification in flight: the request and its outcome. */
interface InFlight {
  readonly pin: string;
  readonly subject: string;
  readonly adapter: ServiceName;
  /** `none`: the connection broke before an answer. */
  readonly outcome: Promise<string>;
}

describe(`the product with ${2 * SUBJECTS} verifications in flight`, () => {
  let product: SeparateProduct;
  let client: Client;
  let ledger: Ledger;
  let events: AuditEvents;
  let agent: Agent;
  const tenant = newName('tenant');
  const subjects = Array.from({ length: SUBJECTS }, () => newName('customer'));

  beforeAll(async () => {
    product = await startSeparate({ env: SHORT_SESSIONS });
    client = new Client(product);
    ledger = await Ledger.open(product.databaseUrl);
    events = await AuditEvents.follow(product);
    const lifted = ['caller', 'call', 'subject', 'agent', 'tenant', 'subjectsPerCaller'].map((name) => [
      name,
      UNLIMITED,
    ]);
    await client.putTenant(tenant, { limits: Object.fromEntries(lifted) as Record<string, unknown> });
    agent = await client.createAgent(tenant);
    await Promise.all(subjects.map((subject) => client.putSubject(tenant, subject)));
    await Promise.all(subjects.map((subject) => client.putPin(tenant, subject, PIN)));
  }, 180_000);
  afterAll(async () => {
    await events.close();
    await ledger.close();
    await product.remove();
  }, 60_000);

  const bySwaig = async (subject: string, pin: string): Promise<string> => {
    const { status, json, text } = await client.swaig(agent, { pin, customerId: subject });
    expect([status, json['response']]).toEqual([200, expect.stringMatching(/\S/)]);
    if (text.includes('"verified":true')) return 'verified';
    return json['response'] === 'I am sorry, I cannot verify your identity right now. Please try again later.'
      ? 'unavailable'
      : 'refused';
  };
  const byRest = async (subject: string, pin: string): Promise<string> => {
    const { status, json } = await client.verify(agent, { subject, pin });
    expect([status, typeof json['outcome']]).toEqual([200, 'string']);
    return String(json['outcome']);
  };
  const verify = (at: number): InFlight => {
    const subject = subjects[at % SUBJECTS] ?? '';
    const pin = at < SUBJECTS ? PIN : WRONG;
    const adapter = at % 2 === 0 ? 'swaig-adapter' : 'rest-adapter';
    const ask = adapter === 'swaig-adapter' ? bySwaig : byRest;
    // `fetch` throws a TypeError only for a broken connection. It comes from outside jest's realm, so compare the name.
    const outcome = ask(subject, pin).catch((error: unknown) => {
      if ((error as Error).name === 'TypeError') return 'none';
      throw error;
    });
    return { pin, subject, adapter, outcome };
  };

  it.each(SERVICES)(
    'loses no attempt, counts none twice and verifies no wrong PIN when %s is killed',
    async (service) => {
      let answered = 0;
      const inFlight = Array.from({ length: 2 * SUBJECTS }, (_, at) => verify(at));
      const outcomes = Promise.all(inFlight.map(({ outcome }) => outcome.finally(() => answered++)));
      outcomes.catch(() => undefined);
      await eventually('the first answers are in', () => answered >= ANSWERED_BEFORE, 30_000);
      await product.kill(service);
      const inFlightAtDeath = 2 * SUBJECTS - answered;
      await product.restart(service);

      for (const [at, outcome] of (await outcomes).entries()) {
        const { pin, adapter } = inFlight[at] ?? { pin: '', adapter: '' };
        const allowed = ['rejected', 'locked', 'refused', 'unavailable'];
        if (pin === PIN) allowed.push('verified');
        // Only a client of the killed process itself may get no answer.
        if (adapter === service) allowed.push('none');
        expect({ adapter, pin, outcome, allowed: allowed.includes(outcome) }).toEqual({
          adapter,
          pin,
          outcome,
          allowed: true,
        });
      }
      expect(inFlightAtDeath).toBeGreaterThan(SUBJECTS / 2);
      expect(await differences(ledger, events)).toEqual([]);

      // The restarted service works: a new subject has no lock.
      const fresh = newName('customer');
      await client.putSubject(tenant, fresh);
      await client.putPin(tenant, fresh, PIN);
      expect([await bySwaig(fresh, PIN), await byRest(fresh, PIN)]).toEqual(['verified', 'verified']);
      expect(await differences(ledger, events)).toEqual([]);
    },
    180_000,
  );

  it('signs one history and loses no checkpoint when the log signer is killed while it reads, stores or publishes', async () => {
    const points = ['sql log-signer.head', 'replace log-signer.state', 'publish countersign.audit.checkpoints'];
    const hits = process.env['INVARIANTS_FORM'] === 'full' ? [1, 2, 3] : [1];
    await product.kill('log-signer');
    let isDone = false;
    const growth = (async () => {
      for (let at = 0; !isDone; at++) await client.putSubject(tenant, subjects[at % SUBJECTS] ?? '');
    })();
    try {
      for (const point of points)
        for (const hit of hits)
          expect(await dieAt({ product }, { service: 'log-signer', point, when: 'after', hit })).toBe(true);
    } finally {
      isDone = true;
      await growth;
    }
    await product.restart('log-signer');

    const broker = createBroker({ brokers: product.brokers, clientId: 'e2e', topicPrefix: product.topicPrefix });
    const database = new Postgres({ connectionString: product.databaseUrl });
    await database.connect();
    try {
      const key = parseVerifierKey((await client.request(`${product.auditUrls()[0] ?? ''}/vkey`, {})).text.trim());
      const published = async (): Promise<Checkpoint[]> =>
        (await broker.readNewest(TOPICS.auditCheckpoints.name, 100_000)).map(({ value }) => openCheckpoint(value, key));
      const { rows: heads } = await database.query<{ size: string; root: Buffer }>(
        'SELECT size, root FROM audit.tree_heads',
      );
      const size = Math.max(...heads.map((head) => Number(head.size)));
      const checkpoints = await eventually('the whole log is signed', async () => {
        const found = await published();
        return (found.at(-1)?.size ?? 0) >= size && found;
      });
      // No fork: each is a head of the one log. No loss: what is in the state reached the topic, so sizes only grow.
      const roots = new Map(heads.map((head) => [Number(head.size), head.root]));
      const known = checkpoints.filter((one) => one.size <= size);
      expect(known.map(({ root }) => root)).toEqual(known.map((one) => roots.get(one.size)));
      expect(checkpoints.map((one) => one.size)).toEqual(checkpoints.map((one) => one.size).sort((a, b) => a - b));
    } finally {
      await Promise.all([database.end(), broker.close()]);
    }
  }, 240_000);
});
