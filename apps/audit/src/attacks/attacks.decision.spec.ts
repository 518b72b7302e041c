import { attacksOf, type AttackEvent } from './attacks.decision.js';

const NOW = new Date('2026-11-28T12:00:00.000Z');
const FROM = new Date('2026-11-27T12:00:00.000Z');
const secondsAgo = (seconds: number): Date => new Date(NOW.getTime() - seconds * 1000);
const event = (type: string, seconds: number, fields: object, more: Partial<AttackEvent> = {}): AttackEvent => ({
  ...{ id: `${type} ${seconds}`, type, time: secondsAgo(seconds), tenant: 'acme', subject: null, call: null },
  fields: { ...fields },
  ...more,
});
const refused = (seconds: number, dimension: string, count: number, fields: object): AttackEvent =>
  event('limit.refused', seconds, { ...fields, detail: { dimension, count } });

describe('the report of attacks', () => {
  it('lists signals of every kind, the newest first, with the hashes of those who are named', () => {
    const { signals } = attacksOf(
      [
        event('signal.spray', 60, {
          caller_key: 'c1',
          caller_tail: '23',
          detail: { subjects: 10, withinSeconds: 600 },
        }),
        event('signal.distributed', 5, { subject_key: 's1', detail: { callers: 12, withinSeconds: 600 } }),
      ],
      ...([FROM, NOW] as const),
    );
    expect(signals).toMatchObject([
      { type: 'signal.distributed', tenant: 'acme', subjectKey: 's1', callers: 12 },
      { type: 'signal.spray', callerKey: 'c1', callerTail: '23', subjects: 10, withinSeconds: 600 },
    ]);
  });

  it('lists the tenants with limits that are tightened now, until the latest end', () => {
    const { tightened } = attacksOf(
      [
        event('limit.tightened', 100, { detail: { seconds: 600 } }),
        event('limit.tightened', 400, { detail: { seconds: 600 } }),
        event('limit.tightened', 700, { detail: { seconds: 600 } }, { tenant: 'umbrella' }),
      ],
      ...([FROM, NOW] as const),
    );
    expect(tightened).toEqual([
      {
        tenant: 'acme',
        since: secondsAgo(400).toISOString(),
        until: secondsAgo(-500).toISOString(),
        endsInSeconds: 500,
      },
    ]);
  });

  it('adds up what a limit refused by the party that it counts by, the most first', () => {
    const { refused: parties } = attacksOf(
      [
        refused(1, 'caller', 5, { caller_key: 'c1', caller_tail: '23', agent: 'desk' }),
        refused(2, 'caller', 900, { caller_key: 'c2', agent: 'desk' }),
        refused(9, 'caller', 7, { caller_key: 'c1', caller_tail: '23', agent: 'night' }),
        refused(3, 'agent', 2, { caller_key: 'c1', agent: 'desk' }),
        refused(4, 'agent', 2, { caller_key: 'c3', agent: 'desk' }),
        refused(4, 'tenant', 1, { caller_key: 'c3', agent: 'desk' }),
      ],
      ...([FROM, NOW] as const),
    );
    expect(parties).toEqual([
      { tenant: 'acme', dimension: 'caller', callerKey: 'c2', count: 900, last: secondsAgo(2).toISOString() },
      {
        ...{ tenant: 'acme', dimension: 'caller', callerKey: 'c1', callerTail: '23' },
        ...{ count: 12, last: secondsAgo(1).toISOString() },
      },
      { tenant: 'acme', dimension: 'agent', agent: 'desk', count: 4, last: secondsAgo(3).toISOString() },
      { tenant: 'acme', dimension: 'tenant', count: 1, last: secondsAgo(4).toISOString() },
    ]);
  });
});
