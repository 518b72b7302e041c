import { TOPICS, type OcsfVersion } from '@countersign/contracts';
import { type RelayedRecord, type RelaySource } from '@countersign/persistence';
import { cloudEventHeaders } from '../trail/cloud-event.decision.js';

interface EntryRow {
  readonly idx: string;
  readonly event_id: string;
  readonly kind: string;
  readonly tenant: string;
  readonly subject: string | null;
  readonly time: Date;
  readonly value: Buffer;
  readonly partition_key: string;
  readonly traceparent: string | null;
  readonly ocsf_version: OcsfVersion;
}

/**
 * The entries from the cursor on, for the topic of public events. An index is assigned under the lock of the log, so no
 * entry with a lower index commits after one that was read.
 */
export const EVENT_SOURCE: RelaySource = {
  readsAllTenants: true,
  // Whoever reads events waits for them: a backlog must shrink as fast as it can.
  restsAfterFullBatch: false,
  readSql: (limit) => `SELECT idx, event_id, kind, tenant, subject, time, value, partition_key, traceparent,
      ocsf_version FROM audit.entries WHERE idx >= (SELECT next_idx FROM audit.publish_cursor) ORDER BY idx LIMIT ${limit}`,
  take: (taken) => {
    const rows = taken as EntryRow[];
    const last = rows.at(-1);
    if (last === undefined) return undefined;
    return {
      records: rows.map(publicEvent),
      doneSql: `UPDATE audit.publish_cursor SET next_idx = ${BigInt(last.idx) + 1n}`,
    };
  },
  backlogSql: `SELECT s.size - c.next_idx AS n, (SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8
      FROM audit.entries WHERE idx = c.next_idx) AS age FROM audit.log_state s, audit.publish_cursor c`,
};

/** A record for the topic of public events. Its value is exactly the stored bytes. */
function publicEvent(row: EntryRow): RelayedRecord {
  const event = {
    eventId: row.event_id,
    kind: row.kind,
    tenant: row.tenant,
    subject: row.subject ?? undefined,
    time: row.time.toISOString(),
    ocsfVersion: row.ocsf_version,
  };
  return {
    topic: TOPICS.auditEvents.name,
    key: row.partition_key,
    value: row.value,
    headers: {
      ...cloudEventHeaders(event),
      ce_sequence: row.idx,
      // The CloudEvents extension for tracing, in a header because the value must equal the stored bytes; and the parent of
      // the span of sending it.
      ...(row.traceparent === null ? {} : { ce_traceparent: row.traceparent, traceparent: row.traceparent }),
    },
  };
}
