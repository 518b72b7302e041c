import { factRecorded, type FactRecorded } from '@countersign/contracts';
import { FakePersonalDataVault } from '../../test/personal-data-vault.fake.js';
import { toOcsf } from '../trail/ocsf-event.decision.js';
import { OpenPersonalData } from './open-personal-data.use-case.js';
import { SealPersonalData } from './seal-personal-data.use-case.js';

const CALLER = { callerKey: 'c'.repeat(64), callerTail: '47', attestation: 'TN-Validation-Passed-A' };
const at = (seconds: number): Date => new Date(Date.UTC(2026, 10, 22, 10, 0, seconds));
const attempt = (more: Partial<FactRecorded> = {}, seconds = 0): FactRecorded =>
  factRecorded('attempt.decided', at(seconds), {
    ...{ tenant: 'acme', agent: 'desk', subjectKey: 'a'.repeat(64), callId: 'call-1', outcome: 'verified', attempt: 3 },
    ...CALLER,
    ...more,
  });

describe('personal data in events', () => {
  let vault: FakePersonalDataVault;
  const published = async (fact: FactRecorded): Promise<Record<string, unknown>> =>
    JSON.parse((await new SealPersonalData(vault).valueOf(fact, toOcsf(fact))).toString()) as Record<string, unknown>;
  const read = async (fact: FactRecorded, event: Record<string, unknown>): Promise<unknown> => {
    const { factId: eventId, tenant, subject } = fact;
    const stored = { eventId, tenant, subject, value: Buffer.from(JSON.stringify(event)) };
    return (await new OpenPersonalData(vault).open([stored]))[0];
  };
  beforeEach(() => (vault = new FakePersonalDataVault()));

  it('leaves the caller out of the public event of a subject, and gives it to a reader', async () => {
    const fact = attempt({ subject: 'alice' });
    const event = await published(fact);
    for (const value of Object.values(CALLER)) expect(JSON.stringify(event)).not.toContain(`"${value}"`);
    expect(event).toMatchObject({
      user: { uid: 'alice' },
      session: { uid: 'call-1' },
      unmapped: { kind: 'attempt.decided', attempt: 3, agent: 'desk', sealed: expect.any(String) as string },
    });
    expect(await read(fact, event)).toEqual({
      personal: { caller_key: CALLER.callerKey, caller_tail: '47', caller_attestation: CALLER.attestation },
    });
  });

  it('leaves the reason of an unlock out of the public event, because it is free text about a person', async () => {
    const fact = factRecorded('credential.unlocked', at(0), {
      ...{ tenant: 'acme', subject: 'alice', detail: { credential: 'pin', reason: 'new number 49301547' } },
    });
    const event = await published(fact);
    expect(JSON.stringify(event)).not.toContain('49301547');
    expect(event['unmapped']).toMatchObject({ detail: { credential: 'pin' } });
    expect(await read(fact, event)).toEqual({ personal: { detail: { reason: 'new number 49301547' } } });
  });

  it('keeps the reason of an erasure in the public event, because nothing that is sealed for the subject outlasts it', async () => {
    const actor = { kind: 'administrator', sourceAddress: '192.0.2.7', reason: 'request of the customer' } as const;
    const event = await published(factRecorded('subject.erased', at(0), { tenant: 'acme', subject: 'alice', actor }));
    expect(event['unmapped']).toMatchObject({ detail: { reason: 'request of the customer' } });
    expect(event['unmapped']).not.toHaveProperty('sealed');
  });

  it('changes nothing in an event without a subject, and in one of a subject without personal fields', async () => {
    for (const fact of [attempt(), factRecorded('subject.changed', at(0), { tenant: 'acme', subject: 'alice' })]) {
      const event = await published(fact);
      expect(event).toEqual(JSON.parse(JSON.stringify(toOcsf(fact))));
      expect(await read(fact, event)).toEqual({});
    }
  });

  it('reads events of an erased subject as erased, and those of a later subject of the same id with their caller', async () => {
    const before = attempt({ subject: 'alice' }, 1);
    const event = await published(before);
    await published(factRecorded('subject.erased', at(5), { tenant: 'acme', subject: 'alice' }));
    expect(await read(before, event)).toEqual({ erased: true });
    const later = attempt({ subject: 'alice' }, 6);
    expect(await read(later, await published(later))).toMatchObject({ personal: { caller_tail: '47' } });
    expect(await read(before, event)).toEqual({ erased: true });
  });

  it('publishes no caller for an attempt of an erased subject that arrives after its erasure', async () => {
    await published(factRecorded('subject.erased', at(5), { tenant: 'acme', subject: 'alice' }));
    const late = attempt({ subject: 'alice' }, 4);
    const event = await published(late);
    expect(event['unmapped']).not.toHaveProperty('sealed');
    expect(event['unmapped']).not.toHaveProperty('caller_key');
    expect(await read(late, event)).toEqual({ erased: true });
  });

  it('opens a page of events in order', async () => {
    const facts = [attempt({ subject: 'alice' }), attempt(), attempt({ subject: 'bob', callerTail: '99' })];
    const stored = await Promise.all(
      facts.map(async (fact) => ({
        ...{ eventId: fact.factId, tenant: fact.tenant, subject: fact.subject },
        value: Buffer.from(JSON.stringify(await published(fact))),
      })),
    );
    expect(await new OpenPersonalData(vault).open(stored)).toMatchObject([
      { personal: { caller_tail: '47' } },
      {},
      { personal: { caller_tail: '99' } },
    ]);
  });
});
