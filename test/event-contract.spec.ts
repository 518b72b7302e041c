import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { Parser } from '@asyncapi/parser';
import { EVENT_DETAILS, FACT_KINDS, TOPICS, type FactRecorded } from '@countersign/contracts';
import { eventExamples, eventFaults, type PublishedRecord } from '@countersign/testing';
import {
  dividePersonalData,
  withoutErasedFields,
  withSealedFields,
} from '../apps/audit/src/personal-data/personal-data.decision.js';
import { cloudEventHeaders } from '../apps/audit/src/trail/cloud-event.decision.js';
import { toOcsf110 } from '../apps/audit/src/trail/ocsf-1-1.decision.js';
import { toOcsf } from '../apps/audit/src/trail/ocsf-event.decision.js';
import { anyFact } from '../apps/audit/test/any-fact.js';

/** Other kinds never name a subject, so their reason is not encrypted. */
const ABOUT_SUBJECTS = /^(attempt|credential|subject|receipt|signal)\./;
const document = readFileSync('docs/asyncapi.yaml', 'utf8');

describe('docs/asyncapi.yaml', () => {
  it('is a valid AsyncAPI 3 document without warnings that describes both topics and every kind of event', async () => {
    const { document: parsed, diagnostics } = await new Parser().parse(document);
    expect(diagnostics.map(({ message, path }) => `${path.join('.')}: ${message}`)).toEqual([]);
    expect(parsed?.version()).toBe('3.1.0');
    const channels = parsed?.channels().all() ?? [];
    expect(channels.map((channel) => channel.address()).sort()).toEqual([
      'countersign.audit.checkpoints',
      TOPICS.auditEvents.name,
    ]);
    const events = channels.find((channel) => channel.address() === TOPICS.auditEvents.name);
    expect(
      events
        ?.messages()
        .all()
        .map((message) => message.title()),
    ).toEqual(FACT_KINDS);
  }, 120_000);

  it('has an example of every kind that is valid', () => {
    const examples = eventExamples();
    expect([...examples.keys()]).toEqual(FACT_KINDS);
    for (const [kind, example] of examples) expect([kind, eventFaults(example)]).toEqual([kind, []]);
  });

  it('describes every field of every event, in both versions of OCSF', () => {
    fc.assert(
      fc.property(anyFact, fc.boolean(), fc.boolean(), (any, isEarlier, isErased) => {
        const subject = ABOUT_SUBJECTS.test(any.kind) ? any.subject : undefined;
        const fact = { ...any, subject, detail: detailOf(any) } as FactRecorded;
        expect(eventFaults(published(fact, isEarlier, isErased))).toEqual([]);
      }),
      { numRuns: 400 },
    );
  }, 120_000);

  const example = (): PublishedRecord => structuredClone(eventExamples().get('limit.refused')) as PublishedRecord;
  const changed = (headers: Record<string, string>, value: Record<string, unknown> = {}): PublishedRecord => {
    const { headers: before, value: event } = example();
    return { headers: { ...before, ...headers }, value: { ...(event as object), ...value } };
  };

  const ofReceipt = (more: object): PublishedRecord => {
    const { headers, value } = structuredClone(eventExamples().get('receipt.issued')) as PublishedRecord;
    return { headers, value: { ...(value as object), unmapped: { kind: 'receipt.issued', ...more } } };
  };

  it('permits an empty detail of a kind that has none', () => {
    expect(eventFaults(ofReceipt({ detail: {} }))).toEqual([]);
  });

  it.each([
    ['an attribute that the document does not name', changed({}, { message: 'refused' })],
    [
      'a detail that the document does not name',
      changed({}, { unmapped: { kind: 'limit.refused', detail: { pin: 1 } } }),
    ],
    ['a detail of a kind that has none', ofReceipt({ detail: { reason: 'x' } })],
    ['a detail that lacks a field', changed({}, { unmapped: { kind: 'limit.refused', detail: { limit: 1 } } })],
    ['the activity of another kind', changed({}, { activity_id: 3, type_uid: 300203 })],
    ['a kind that does not exist', changed({}, { unmapped: { kind: 'limit.ignored' } })],
    ['another id in the header', changed({ ce_id: '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f99' })],
    ['another type in the header', changed({ ce_type: 'countersign.limit.near.v1' })],
    ['a header that the document does not name', changed({ ce_comment: 'x' })],
    ['the media type twice', changed({ ce_datacontenttype: 'application/json' })],
    ['an index with a leading zero', changed({ ce_sequence: '07' })],
  ])('does not permit %s', (_what, record) => {
    expect(eventFaults(record)).not.toEqual([]);
  });
});

function published(fact: FactRecorded, isEarlier: boolean, isErased: boolean): PublishedRecord {
  const whole = isEarlier ? toOcsf110(toOcsf(fact)) : toOcsf(fact);
  const { event: rest, personal } = dividePersonalData(whole);
  const event =
    fact.subject === undefined || personal === undefined
      ? whole
      : isErased
        ? withoutErasedFields(rest)
        : withSealedFields(rest, 'k1.sealed');
  const value = Buffer.from(JSON.stringify(event));
  const { factId: eventId, kind, tenant, subject, time } = fact;
  return {
    headers: {
      ...cloudEventHeaders({ eventId, kind, tenant, subject, time, ocsfVersion: isEarlier ? '1.1.0' : '1.8.0' }),
      ce_sequence: '7',
    },
    value: JSON.parse(value.toString()) as unknown,
  };
}

/** The detail that a service records for this kind. */
function detailOf({ kind }: FactRecorded): FactRecorded['detail'] {
  const fields = EVENT_DETAILS[kind];
  return (
    fields && Object.fromEntries(Object.entries(fields).map(([name, { example }]) => [name.replace('?', ''), example]))
  );
}
