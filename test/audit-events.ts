import { TOPICS } from '@countersign/contracts';
import { createBroker, type Broker, type Follower } from '@countersign/messaging';
import { eventFaults } from '@countersign/testing';
import { type Json } from './client.js';
import { type SeparateProduct } from './product.js';

/** An event of the public topic, as a consumer sees it. */
export interface AuditEvent {
  readonly id: string;
  readonly type: string;
  readonly tenant: string;
  readonly value: Json;
  /** Header `ce_traceparent`: the W3C Trace Context. */
  readonly trace: string | undefined;
}

/**
 * Reads the public topic of audit events from its beginning, and keeps every record, including repeated ones. Fails at a record
 * that is invalid by OCSF or by docs/asyncapi.yaml.
 */
export class AuditEvents {
  readonly #records: AuditEvent[] = [];
  readonly #broker: Broker;
  #follower: Follower | undefined;
  #failure: Error | undefined;

  private constructor({ brokers, topicPrefix }: SeparateProduct) {
    this.#broker = createBroker({ brokers, clientId: 'e2e', topicPrefix });
  }

  static async follow(product: SeparateProduct): Promise<AuditEvents> {
    const events = new AuditEvents(product);
    const fatal = (error: Error): void => void (events.#failure ??= error);
    await events.#broker.ensureTopics([TOPICS.auditEvents]);
    events.#follower = await events.#broker.follow(
      TOPICS.auditEvents.name,
      ({ headers, value }) => {
        const event = {
          id: headers['ce_id'] ?? '',
          type: headers['ce_type'] ?? '',
          tenant: headers['ce_tenant'] ?? '',
          trace: headers['ce_traceparent'],
        };
        const json = JSON.parse(value.toString('utf8')) as Json;
        const faults = eventFaults({ headers, value: json });
        if (faults.length > 0) fatal(new Error(`the event ${event.type} ${event.id} is invalid: ${faults.join('; ')}`));
        events.#records.push({ ...event, value: json });
      },
      fatal,
    );
    return events;
  }

  /** Every record so far of a kind of fact, such as `attempt.decided`. @throws Error when the reader broke */
  of(kind: string): readonly AuditEvent[] {
    if (this.#failure) throw this.#failure;
    return this.#records.filter(({ type }) => type === `countersign.${kind}.v1`);
  }

  /** Every record so far that is about one of these tenants. @throws Error when the reader broke */
  ofTenants(tenants: readonly string[]): readonly AuditEvent[] {
    if (this.#failure) throw this.#failure;
    return this.#records.filter(({ tenant }) => tenants.includes(tenant));
  }

  async close(): Promise<void> {
    await this.#follower?.close();
    await this.#broker.close();
  }
}

/** The published attempts by id, with their outcomes and the ids of their events. */
export function attemptsIn(events: readonly AuditEvent[]): Map<string, { eventIds: Set<string>; codes: Set<string> }> {
  const attempts = new Map<string, { eventIds: Set<string>; codes: Set<string> }>();
  for (const { id, value } of events) {
    const attempt = String((value['unmapped'] as Json)['verification_id']);
    const known = attempts.get(attempt) ?? { eventIds: new Set(), codes: new Set() };
    attempts.set(attempt, known);
    known.eventIds.add(id);
    known.codes.add(String(value['status_code']));
  }
  return attempts;
}
