import fc from 'fast-check';
import { type FactRecorded, factRecorded, type OcsfVersion } from '@countersign/contracts';
import { ocsfSchema } from '@countersign/testing';
import { anyFact } from '../../test/any-fact.js';
import { cloudEventHeaders, type RecordedEvent } from './cloud-event.decision.js';
import { toOcsf110 } from './ocsf-1-1.decision.js';
import { toOcsf } from './ocsf-event.decision.js';

const recorded = (fact: FactRecorded, ocsfVersion: OcsfVersion = '1.8.0'): RecordedEvent => ({
  eventId: fact.factId,
  kind: fact.kind,
  tenant: fact.tenant,
  subject: fact.subject,
  time: fact.time,
  ocsfVersion,
});

describe('the headers of an event', () => {
  const fact = factRecorded('attempt.decided', new Date('2026-11-22T10:00:00.123Z'), {
    factId: '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10',
    tenant: 'acme',
    subject: 'alice',
    outcome: 'verified',
  });

  it('are the attributes of CloudEvents 1.0 in binary mode', () => {
    expect(cloudEventHeaders(recorded(fact))).toEqual({
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10',
      ce_source: '/countersign',
      ce_type: 'countersign.attempt.decided.v1',
      ce_time: '2026-11-22T10:00:00.123Z',
      ce_dataschema: 'https://schema.ocsf.io/schema/1.8.0/classes/authentication?profiles=security_control',
      ce_tenant: 'acme',
      ce_subject: 'alice',
    });
  });

  it('have no schema for a kind that only another version of this service knows', () => {
    const headers = cloudEventHeaders({ ...recorded(fact), kind: 'kind.of_a_later_version' });
    expect(headers).toMatchObject({ ce_type: 'countersign.kind.of_a_later_version.v1' });
    expect(headers).not.toHaveProperty('ce_dataschema');
  });

  it('name the schema of the version and the class of the value', () => {
    fc.assert(
      fc.property(anyFact, fc.boolean(), (any, isEarlier) => {
        const event = isEarlier ? toOcsf110(toOcsf(any)) : toOcsf(any);
        const names = { 3001: 'account_change', 3002: 'authentication', 6003: 'api_activity' };
        const name = `${isEarlier ? '1.1.0' : '1.8.0'}-${names[event['class_uid'] as keyof typeof names]}`;
        expect(cloudEventHeaders(recorded(any, isEarlier ? '1.1.0' : '1.8.0'))['ce_dataschema']).toBe(
          ocsfSchema(name).$id,
        );
      }),
    );
  });
});
