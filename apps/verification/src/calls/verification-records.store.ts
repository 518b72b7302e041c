import { type Method } from '@countersign/contracts';
import { type Database, type Sql } from '@countersign/persistence';
import { constantTimeEquals, type KeyedHash } from '@countersign/crypto';
import { VerificationRecords } from './calls.ports.js';
import { type RecordedSuccess, type VerificationRecord } from './call-state.decision.js';
import { successTag } from '../integrity/success-tag.js';
import { type ReportTampering } from '../integrity/tamper-reports.store.js';

interface SuccessRow {
  attempt_id: string;
  agent: string;
  call_id: string | null;
  method: Method;
  level: RecordedSuccess['level'];
  subject_id: string;
  incarnation: string;
  credential_version: number;
  counted_at: Date;
  expires_at: Date;
  success_tag: string | null;
}

interface RecordRow extends SuccessRow {
  in_force: boolean;
  ended: boolean;
  now: Date;
}

const SUCCESS = `a.attempt_id, a.agent, a.call_id, a.method, a.level, a.subject_id, a.incarnation, a.credential_version,
  a.counted_at, a.expires_at, a.success_tag`;

/**
 * Successes of the ledger whose time is not over and whose subject is the one of then, with what has happened since. A later
 * verdict at another subject ends a success, whatever it was: the call is for somebody else, or for nobody. One that came
 * to no answer (`unavailable`) ends nothing. A subject has one counter for each method, so the method is cut off its key.
 * A credential is in force if its row is there and no later version ever was: an old row that is put back revives nothing.
 * $1 tenant, $2 the agent that reads
 */
const recordsWhere = (condition: string): string => `
SELECT ${SUCCESS}, clock_timestamp() AS now,
  EXISTS (SELECT FROM verification.credentials k WHERE k.tenant = a.tenant AND k.subject_id = a.subject_id
          AND k.kind = a.method AND k.version = a.credential_version)
    AND a.credential_version = (
      SELECT max(v.version) FROM verification.versions v
      WHERE v.tenant = a.tenant AND v.subject_id = a.subject_id AND v.part = a.method) AS in_force,
  a.call_id IS NOT NULL AND EXISTS (
    SELECT FROM verification.attempts o
    WHERE o.tenant = a.tenant AND o.agent IN (a.agent, $2) AND o.call_id = a.call_id AND o.decided_at >= a.decided_at
      AND o.outcome IN ('verified', 'rejected', 'locked', 'disabled')
      AND split_part(o.counter_key, ':', 1) <> split_part(a.counter_key, ':', 1)) AS ended
FROM verification.attempts a
JOIN verification.subjects s ON s.tenant = a.tenant AND s.subject_id = a.subject_id AND s.incarnation = a.incarnation
WHERE a.tenant = $1 AND a.outcome = 'verified' AND a.expires_at > clock_timestamp() AND ${condition}`;

/** $3 call, $4 agents */
const OF_CALL = recordsWhere('a.call_id = $3 AND a.agent = ANY ($4::text[])');
/** $3 attempt */
const ONE = recordsWhere('a.attempt_id = $3::uuid');

/** What the ledger in PostgreSQL has of successes. */
export class PostgresVerificationRecords extends VerificationRecords {
  constructor(
    private readonly database: Database,
    private readonly hash: KeyedHash,
    private readonly report?: ReportTampering,
  ) {
    super();
  }

  override async ofCall(
    tenant: string,
    callId: string,
    agents: readonly string[],
    reader: string,
  ): Promise<VerificationRecord[]> {
    return this.#read(tenant, 'verification.call', OF_CALL, [tenant, reader, callId, agents]);
  }

  override async find(tenant: string, verificationId: string, reader: string): Promise<VerificationRecord | undefined> {
    const [record] = await this.#read(tenant, 'verification.success', ONE, [tenant, reader, verificationId]);
    return record;
  }

  async #read(tenant: string, name: string, statement: string, params: unknown[]): Promise<VerificationRecord[]> {
    const rows = await this.database.forTenants([tenant]).prepared<RecordRow>(name, statement, params);
    const records: VerificationRecord[] = [];
    for (const row of rows) {
      const success = successOf(row);
      if (isOurs(this.hash, tenant, success, row.success_tag)) {
        const { in_force: credentialInForce, ended: endedByAttempt, now } = row;
        records.push({ ...success, credentialInForce, endedByAttempt, readAt: now.getTime() });
        continue;
      }
      const reason = row.success_tag === null ? 'untagged' : 'altered';
      await this.report?.({ what: 'verification', reason, tenant, subject: success.subject });
    }
    return records;
  }
}

/**
 * Binds a success to the version that its caller has put in the place of the one that was compared, so that it stays good.
 * A success that somebody else altered stays as it is, and is reported where it is read.
 */
export async function carryOver(
  tx: Sql,
  hash: KeyedHash,
  tenant: string,
  verificationId: string,
  credentialVersion: number,
): Promise<void> {
  const [row] = await tx.query<SuccessRow>(
    `SELECT ${SUCCESS} FROM verification.attempts a
     WHERE a.tenant = $1 AND a.attempt_id = $2::uuid AND a.outcome = 'verified' FOR UPDATE`,
    [tenant, verificationId],
  );
  const success = row && successOf(row);
  if (!success || !isOurs(hash, tenant, success, row.success_tag)) return;
  const tag = successTag(hash, tenant, { ...success, credentialVersion });
  await tx.query('UPDATE verification.attempts SET credential_version = $1, success_tag = $2 WHERE attempt_id = $3', [
    credentialVersion,
    tag,
    verificationId,
  ]);
}

function isOurs(hash: KeyedHash, tenant: string, success: RecordedSuccess, tag: string | null): boolean {
  return tag !== null && constantTimeEquals(tag, successTag(hash, tenant, success));
}

function successOf(row: SuccessRow): RecordedSuccess {
  return {
    agent: row.agent,
    callId: row.call_id ?? undefined,
    method: row.method,
    level: row.level,
    subject: row.subject_id,
    incarnation: row.incarnation,
    credentialVersion: row.credential_version,
    verificationId: row.attempt_id,
    verifiedAt: row.counted_at.toISOString(),
    expiresAt: row.expires_at.toISOString(),
  };
}
