import { factRecorded, INSTALLATION, type OcsfVersion } from '@countersign/contracts';
import { publicEventOf } from '../trail/ocsf-1-1.decision.js';
import { type ShardStartedEntry } from './log.ports.js';

/** The events that begin shards, in a version of OCSF. They have no personal data. */
export function shardStartedIn(version: OcsfVersion): ShardStartedEntry {
  return ({ shard, first, time, checkpoint }) => {
    const detail = { shard, first, ...(checkpoint === undefined ? {} : { checkpoint }) };
    const fact = factRecorded('log.shard_started', time, { tenant: INSTALLATION, detail });
    return {
      ...{ eventId: fact.factId, kind: fact.kind, tenant: fact.tenant, subject: undefined, callId: undefined },
      ...{ time: fact.time, value: Buffer.from(JSON.stringify(publicEventOf(fact, version))) },
      ...{ partitionKey: fact.partitionKey, ocsfVersion: version, traceparent: undefined },
      counted: undefined,
    };
  };
}
