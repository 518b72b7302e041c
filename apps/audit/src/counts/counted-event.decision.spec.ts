import { FACT_KINDS, factRecorded, LIMIT_DIMENSIONS, type FactKind } from '@countersign/contracts';
import { countedEvent, type CountedEvent } from './counted-event.decision.js';

const counted = (kind: FactKind, fields: object = {}): CountedEvent | undefined =>
  countedEvent(factRecorded(kind, new Date(), { tenant: 'acme', ...fields }));

describe('what an event adds to the counts', () => {
  it('is one attempt of its outcome', () => {
    expect(counted('attempt.decided', { outcome: 'rejected' })).toEqual({ variant: 'rejected', count: 1 });
  });

  it.each(LIMIT_DIMENSIONS)('is every request that the limit by %s refused, as the event reports them', (dimension) => {
    expect(counted('limit.refused', { detail: { dimension, count: 41 } })).toEqual({ variant: dimension, count: 41 });
  });

  it.each([0, -5, 1.5, Infinity, 1e300, '7'])('is one request when a refusal reports %p of them', (count) => {
    expect(counted('limit.refused', { detail: { dimension: 'caller', count } })?.count).toBe(1);
  });

  it.each(['constructor', 'x'.repeat(1000), 5])('is nothing for a refusal by the unknown limit %p', (dimension) => {
    expect(counted('limit.refused', { detail: { dimension, count: 1 } })).toBeUndefined();
  });

  it('is one for each lock and each signal, and nothing for other kinds', () => {
    const kinds = FACT_KINDS.filter((kind) => counted(kind)?.variant === '');
    expect(kinds).toEqual([
      ...['credential.locked', 'credential.disabled', 'signal.spray', 'signal.pin_spray', 'signal.distributed'],
    ]);
  });
});
