import { FACT_KINDS, FactRecorded, message, OUTCOMES } from '@countersign/contracts';
import { cloudEventHeaders } from './cloud-event.decision.js';
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

/** Attributes that OCSF 1.8.0 requires of every event; below, those it requires of each class in use. */
const REQUIRED = ['activity_id', 'category_uid', 'class_uid', 'type_uid', 'time', 'severity_id', 'metadata'];
const REQUIRED_BY_CLASS: Record<number, string[]> = {
  3001: ['user'],
  3002: ['user', 'service'],
  6003: ['actor', 'api', 'src_endpoint'],
};

describe('the public event of a fact', () => {
  it.each(FACT_KINDS.flatMap((kind) => OUTCOMES.map((outcome) => [kind, outcome] as const)))(
    'of kind %s with outcome %s has every attribute that its OCSF class requires',
    (kind, outcome) => {
      const event = toOcsf(fact({ kind, outcome }));
      expect(Object.keys(event)).toEqual(
        expect.arrayContaining([...REQUIRED, ...(REQUIRED_BY_CLASS[event['class_uid'] as number] ?? [])]),
      );
      expect(event['type_uid']).toBe((event['class_uid'] as number) * 100 + (event['activity_id'] as number));
      expect(event['time']).toBe(1795341600123);
    },
  );

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

  it('has its CloudEvents attributes in headers', () => {
    expect(cloudEventHeaders(fact({ subject: 'alice' }))).toEqual({
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10',
      ce_source: '/countersign',
      ce_type: 'countersign.attempt.decided.v1',
      ce_time: '2026-11-22T10:00:00.123Z',
      ce_tenant: 'acme',
      ce_subject: 'alice',
    });
  });
});
