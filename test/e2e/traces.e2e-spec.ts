import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { AuditEvents } from '../audit-events.js';
import { Client, bodyOf, newName, newPhone, newPin, type Agent, type Json } from '../client.js';
import { Collector } from '../collector.js';
import { startEmbedded, startSeparate, type SeparateProduct } from '../product.js';

const START_LIMIT_MS = 120_000;
/** Spans are sent every five seconds. */
const SENT_WITHIN_MS = 30_000;
const PATH = [
  ['swaig-adapter', 'POST /swaig'],
  ['swaig-adapter', 'send verification.requests'],
  ['rate-limit', 'process verification.requests'],
  ['rate-limit', 'send verification.admissions'],
  ['verification', 'process verification.admissions'],
  ['verification', 'send replies'],
  ['verification', 'send countersign.facts'],
  ['audit', 'process countersign.facts'],
  ['audit', 'send countersign.audit.events'],
] as const;

/** A new trace, as a client begins it. */
function newTrace(): { traceId: string; spanId: string; traceparent: string } {
  const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}

/** The log lines of a trace. */
function linesOf(logs: string, traceId: string): Json[] {
  const lines = logs.split('\n').filter((line) => line.includes(traceId));
  return lines.map((line) => JSON.parse(line) as Json).filter((line) => line['trace_id'] === traceId);
}

async function enrolled(client: Client): Promise<{ agent: Agent; subject: string; phone: string; pin: string }> {
  const pin = newPin();
  const [tenant, subject, phone] = [newName('tenant'), newName('customer'), newPhone()];
  await client.putTenant(tenant);
  const agent = await client.createAgent(tenant);
  await client.putSubject(tenant, subject, { phones: [phone] });
  await client.putPin(tenant, subject, pin);
  return { agent, subject, phone, pin };
}

describe('a call, where a collector is named', () => {
  let collector: Collector;
  let product: SeparateProduct;
  let client: Client;
  let events: AuditEvents;

  beforeAll(async () => {
    collector = await Collector.start();
    product = await startSeparate({
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_EXPORTER_OTLP_HEADERS: 'x-token=a%20token' },
    });
    events = await AuditEvents.follow(product);
    client = new Client(product);
  }, START_LIMIT_MS);

  afterAll(async () => {
    await events.close();
    await product.remove();
    await collector.close();
  }, START_LIMIT_MS);

  it('is one trace from the HTTP request to the published event, and no span has its secrets', async () => {
    const { agent, subject, phone, pin } = await enrolled(client);
    const { traceId, spanId, traceparent } = newTrace();
    const headers = { traceparent, tracestate: 'vendor=opaque' };
    const { text } = await client.post(agent, JSON.stringify(bodyOf({ pin, caller: phone })), headers);
    expect(text).toContain('"verified":true');

    const missing = (): string[] =>
      PATH.filter(
        ([service, name]) =>
          !collector.trace(traceId).some((span) => span.service === `countersign-${service}` && span.name === name),
      ).map((step) => step.join(' '));
    await eventually('every step of the path has sent its span', () => missing().length === 0, SENT_WITHIN_MS).catch(
      () => expect(missing()).toEqual([]),
    );
    const spans = collector.trace(traceId);
    const known = new Set([spanId, ...spans.map((span) => span.spanId)]);
    expect(spans.filter((span) => !known.has(span.parentSpanId))).toEqual([]);
    expect(spans.find((span) => span.name === 'POST /swaig')).toMatchObject({
      parentSpanId: spanId,
      attributes: { 'http.request.method': 'POST', 'http.route': '/swaig', 'http.response.status_code': 200 },
    });
    expect(spans.find((span) => span.name === 'process verification.admissions')?.attributes).toMatchObject({
      'messaging.system': 'kafka',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'verification.admissions',
      'messaging.consumer.group.name': 'verification',
      'messaging.destination.partition.id': expect.stringMatching(/^\d$/),
      'messaging.kafka.offset': expect.anything(),
      'messaging.message.conversation_id': expect.any(String),
    });
    const event = await eventually('the event is published', () =>
      events.of('attempt.decided').find(({ trace }) => trace?.includes(traceId)),
    );
    expect(event.trace).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(linesOf(product.logs(), traceId)).toEqual([
      expect.objectContaining({ msg: 'request', outcome: 'verified' }),
    ]);

    expect(collector.received).toContain('"x-token":"a token"');
    for (const secret of [pin, phone, phone.slice(2), subject, agent.password, agent.apiKey]) {
      expect(collector.received).not.toContain(secret);
    }
  }, 60_000);

  it("publishes the attestation of a caller's number without the number, and seals it when the event names a subject", async () => {
    const { agent, phone, pin } = await enrolled(client);
    const attestations = ['TN-Validation-Passed-A', 'No-TN-Validation'];
    const unknown = newPhone();
    for (const attestation of attestations) {
      const address = (number: string): string => `sip:${number};verstat=${attestation}@gw.example.com;user=phone`;
      expect((await client.swaig(agent, { pin, caller: address(phone) })).text).toContain('"verified":true');
      await client.swaig(agent, { pin, caller: address(unknown) });
    }
    const published = () => events.of('attempt.decided').filter(({ tenant }) => tenant === agent.tenant);
    const isAboutCall = ({ value }: { value: Json }): boolean => (value['unmapped'] as Json)['channel'] === 'swaig';
    const attempts = await eventually('the events are published', () => {
      const found = published().filter(isAboutCall);
      return found.length >= 4 ? found : undefined;
    });
    const shown = (isKnown: boolean): Json[] =>
      attempts
        .filter(({ value }) => (value['status_detail'] !== 'USER_DOES_NOT_EXIST') === isKnown)
        .map(({ value }) => value['unmapped'] as Json);
    expect(shown(false).map((one) => one['caller_attestation'])).toEqual(attestations);
    expect(shown(true)).toHaveLength(attestations.length);
    for (const one of shown(true)) {
      expect(one).toHaveProperty('sealed');
      for (const name of ['caller_attestation', 'caller_key', 'caller_tail']) expect(one).not.toHaveProperty(name);
    }
    for (const { value } of attempts) {
      for (const number of [phone, unknown]) expect(JSON.stringify(value)).not.toContain(number.slice(2));
    }
  }, 60_000);

  it('sends no span for a request without credentials, and none for a health check', async () => {
    const { traceId, traceparent } = newTrace();
    expect((await client.post(undefined, '{}', { traceparent })).status).toBe(401);
    const { agent, subject } = await enrolled(client);
    const last = newTrace();
    await client.verify(agent, { subject, pin: '0' }, { traceparent: last.traceparent });
    await client.request(`${product.restUrls()[0]}/health/ready`, { headers: { traceparent } });
    await eventually(
      'a later request has sent its span',
      () => collector.trace(last.traceId).length > 0,
      SENT_WITHIN_MS,
    );
    expect(collector.trace(traceId)).toEqual([]);
    expect(linesOf(product.logs(), traceId).length).toBeGreaterThan(0);
  }, 60_000);

  it('gets the same answer when the collector refuses every span, and the loss is counted', async () => {
    const { agent, subject, pin } = await enrolled(client);
    collector.status = 400;
    expect((await client.verify(agent, { subject, pin })).json).toMatchObject({ outcome: 'verified' });
    const lost = async (): Promise<boolean> => {
      const texts = await Promise.all(
        product.opsUrls().map(async (url) => (await client.request(`${url}/metrics`, {})).text),
      );
      return texts.some((text) => /^countersign_spans_lost_total\{.*\} [1-9]/m.test(text));
    };
    await eventually('the loss is counted', lost, SENT_WITHIN_MS);
    collector.status = 200;
  }, 60_000);
});

describe('a call, where no collector is named', () => {
  it(
    'has its trace in the log lines: the trace of the request, or a new one',
    async () => {
      const product = await startEmbedded();
      try {
        const client = new Client(product);
        const { agent, phone, pin } = await enrolled(client);
        const { traceId, traceparent } = newTrace();
        await client.post(agent, JSON.stringify(bodyOf({ pin, caller: phone })), { traceparent });
        await client.swaig(agent, { pin, caller: phone });
        const lines = await eventually('both requests are in the log', () => {
          const found = product
            .logs()
            .split('\n')
            .filter((line) => line.includes('"outcome":"verified"'));
          return found.length === 2 && found.map((line) => (JSON.parse(line) as Json)['trace_id']);
        });
        expect(lines).toEqual([traceId, expect.stringMatching(/^[0-9a-f]{32}$/)]);
        expect(new Set(lines).size).toBe(2);
      } finally {
        await product.remove();
      }
    },
    START_LIMIT_MS,
  );
});
