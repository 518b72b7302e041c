import { validate } from 'class-validator';
import fc from 'fast-check';
import { FACT_KINDS, FactRecorded, message, METHODS, OUTCOMES, TOPICS } from '@countersign/contracts';
import { ocsfFaults } from '@countersign/testing';
import { anyFact } from '../../test/any-fact.js';
import { toOcsf110 } from './ocsf-1-1.decision.js';
import { toOcsf } from './ocsf-event.decision.js';

const fact = (more: Partial<FactRecorded>): FactRecorded =>
  message(FactRecorded, {
    factId: '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10',
    kind: 'attempt.decided',
    time: '2026-11-22T10:00:00.123Z',
    tenant: 'acme',
    subjectKey: 'a'.repeat(64),
    callerKey: 'b'.repeat(64),
    callerTail: '23',
    ...more,
  });

const runs = { numRuns: 500 };

describe('the public event of a fact', () => {
  it('is valid against the schema of OCSF 1.8.0, for every kind with every outcome, method and channel', () => {
    for (const kind of FACT_KINDS)
      for (const outcome of [undefined, ...OUTCOMES])
        for (const method of METHODS)
          for (const channel of ['swaig', 'rest'] as const) {
            const event = toOcsf(fact({ kind, method, channel, ...(outcome && { outcome }) }));
            expect([kind, outcome, ocsfFaults(event)]).toEqual([kind, outcome, []]);
            expect(event['time']).toBe(1795341600123);
          }
  });

  it('is valid against the schema of OCSF 1.8.0, whatever fields the fact has', async () => {
    await fc.assert(
      fc.asyncProperty(anyFact, async (any) => {
        expect(await validate(any)).toEqual([]);
        expect(ocsfFaults(toOcsf(any))).toEqual([]);
      }),
      runs,
    );
  });

  it('is valid against the schema of OCSF 1.1.0 when published in that version, and loses nothing', () => {
    fc.assert(
      fc.property(anyFact, (any) => {
        const event = toOcsf(any);
        const earlier = toOcsf110(event);
        expect(ocsfFaults(earlier)).toEqual([]);
        expect(earlier['metadata']).toMatchObject({ version: '1.1.0', uid: any.factId, event_code: any.kind });
        // The activity has another number in 1.1.0, and keeps its name.
        const { metadata, activity_id: _, type_uid: __, ...kept } = event;
        const { version: ___, profiles: ____, ...keptMetadata } = metadata as Record<string, unknown>;
        const published = new Set(scalarsIn(earlier));
        expect(scalarsIn([kept, keptMetadata]).filter((value) => !published.has(value))).toEqual([]);
      }),
      runs,
    );
  });

  it('names an unlock in OCSF 1.1.0, which has no activity for it', () => {
    expect(toOcsf110(toOcsf(fact({ kind: 'credential.unlocked' })))).toMatchObject({
      activity_id: 99,
      activity_name: 'Unlock',
      type_uid: 300199,
    });
  });

  it.each([
    ['a wrong type', { time: '2026-11-22' }],
    ['a value outside of its list', { severity_id: 7 }],
    ['an attribute that the class does not have', { pin: '1234' }],
    ['an attribute of a later version', { metadata: { version: '1.8.0', product: { name: 'x' }, added_in_1_9: 1 } }],
    ['an object that lacks an attribute', { user: { type_id: 1 } }],
    ['another class', { class_uid: 3003 }],
  ])('with %s is invalid', (_what, wrong) => {
    const event = { ...toOcsf(fact({ outcome: 'verified' })), ...wrong };
    expect(ocsfFaults(event)).not.toEqual([]);
  });

  it('of OCSF 1.8.0 is not valid in 1.1.0 before it is converted', () => {
    const event = toOcsf(fact({ outcome: 'verified', commandId: 'command-1' }));
    const relabelled = { ...event, metadata: { ...(event['metadata'] as object), version: '1.1.0' } };
    expect(ocsfFaults(relabelled).join()).toMatch(/auth_factors.*original_event_uid|original_event_uid.*auth_factors/);
  });

  it('names the address and the port of a client only where OCSF takes them', () => {
    const sourceOf = (sourceAddress: string): unknown =>
      toOcsf(fact({ kind: 'tenant.changed', actor: { kind: 'administrator', sourceAddress } }))['src_endpoint'];
    expect(sourceOf('192.0.2.7')).toEqual({ ip: '192.0.2.7' });
    expect(sourceOf('192.0.2.7:5060')).toEqual({ ip: '192.0.2.7', port: 5060 });
    expect(sourceOf('[2001:db8::7]:443')).toEqual({ ip: '2001:db8::7', port: 443 });
    expect(sourceOf('::ffff:192.0.2.7')).toEqual({ ip: '::ffff:192.0.2.7' });
    expect(sourceOf('192.0.2.300')).toEqual({ name: '192.0.2.300' });
    expect(sourceOf('unknown')).toEqual({ name: 'unknown' });
  });

  it('names the limit that refused requests, how many, and that this is an alert', () => {
    const detail = { dimension: 'caller', limit: 10, periodSeconds: 60, count: 7 };
    expect(toOcsf(fact({ kind: 'limit.refused', outcome: 'rate_limited', detail }))).toMatchObject({
      count: 7,
      is_alert: true,
      policy: { name: 'limits.caller', desc: '10 in 60 s' },
      status_code: 'RATE_LIMITED',
    });
    expect(toOcsf(fact({ outcome: 'rejected' }))).not.toHaveProperty('is_alert');
  });

  it('names the resource that a change is about', () => {
    const resourcesOf = (more: Partial<FactRecorded>): unknown => toOcsf(fact(more))['resources'];
    expect(resourcesOf({ kind: 'policy.changed', agent: 'desk' })).toEqual([{ type: 'policy', uid: 'desk' }]);
    expect(resourcesOf({ kind: 'api_key.created', detail: { key: 'k1' } })).toEqual([{ type: 'api_key', uid: 'k1' }]);
    expect(resourcesOf({ kind: 'tenant.changed' })).toEqual([{ type: 'tenant', uid: 'acme' }]);
    expect(resourcesOf({ kind: 'audit.read' })).toBeUndefined();
  });

  it('names the topic, its kind and the number of the attempt', () => {
    expect(toOcsf(fact({ attempt: 4, outcome: 'rejected' }))['metadata']).toMatchObject({
      log_name: TOPICS.auditEvents.name,
      event_code: 'attempt.decided',
      sequence: 4,
    });
  });

  it('names subject, call, method, outcome and caller of an attempt', () => {
    expect(
      toOcsf(fact({ subject: 'alice', outcome: 'rejected', attempt: 2, callId: 'call-1', method: 'pin' })),
    ).toMatchObject({
      class_uid: 3002,
      status: 'Failure',
      status_code: 'PIN_MISMATCH',
      user: { uid: 'alice' },
      session: { uid: 'call-1' },
      disposition: 'Blocked',
      metadata: { version: '1.8.0', tenant_uid: 'acme', correlation_uid: 'call-1' },
      unmapped: { attempt: 2, caller_tail: '23' },
    });
  });

  it('contains the attestation of the caller number only when the network gave one', () => {
    const attestation = 'TN-Validation-Passed-A';
    expect(toOcsf(fact({ outcome: 'verified', attestation }))).toMatchObject({
      unmapped: { caller_attestation: attestation },
    });
    expect(toOcsf(fact({ outcome: 'verified' }))['unmapped']).not.toHaveProperty('caller_attestation');
  });

  it('names security questions as the factor of a knowledge attempt', () => {
    expect(toOcsf(fact({ outcome: 'rejected', method: 'knowledge' }))).toMatchObject({
      status_code: 'ANSWERS_MISMATCH',
      auth_protocol: 'Knowledge',
      auth_factors: [{ factor_type_id: 2, factor_type: 'Security Question' }],
    });
    expect(toOcsf(fact({ outcome: 'locked', method: 'knowledge' }))).toMatchObject({ status_code: 'LOCKED' });
  });

  it('names a subject that does not exist by its keyed hash', () => {
    expect(toOcsf(fact({ outcome: 'rejected' }))).toMatchObject({
      user: { uid: `unknown:${'a'.repeat(64)}` },
      status_detail: 'USER_DOES_NOT_EXIST',
    });
  });

  it('reports altered data as a failure, and a restore or a change as a success', () => {
    expect(toOcsf(fact({ kind: 'credential.broken', subject: 'alice' }))).toMatchObject({
      status: 'Failure',
      status_code: 'TAMPERED',
      severity: 'Critical',
      user: { uid: 'alice' },
    });
    expect(toOcsf(fact({ kind: 'credential.restored', subject: 'alice' }))).toMatchObject({
      status: 'Success',
      severity: 'Medium',
    });
    expect(toOcsf(fact({ kind: 'credential.changed', subject: 'alice' }))).toMatchObject({ status: 'Success' });
  });

  it('reports a log that is incomplete or was rolled back as a critical failure', () => {
    for (const kind of ['log.mismatch', 'log.rolled_back'] as const) {
      expect(toOcsf(fact({ kind }))).toMatchObject({ status: 'Failure', severity_id: 5, severity: 'Critical' });
    }
  });

  it.each(['audit.read', 'tenant.changed', 'subject.erased', 'limit.overridden'] as const)(
    'names who requested %s, and the address of the client',
    (kind) => {
      const sourceAddress = '2001:db8::7';
      expect(
        toOcsf(fact({ kind, subject: 'alice', actor: { kind: 'key', id: 'key-1', sourceAddress } })),
      ).toMatchObject({
        actor: { user: { uid: 'key-1', type_id: 99, type: 'API Key' } },
        src_endpoint: { ip: sourceAddress },
      });
      expect(toOcsf(fact({ kind, subject: 'alice', actor: { kind: 'administrator', sourceAddress } }))).toMatchObject({
        actor: { user: { uid: 'administrator', type_id: 2, type: 'Admin' } },
      });
    },
  );
});

/** Every value of an event that is no object and no list. */
function scalarsIn(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(scalarsIn) : [value];
}
