import { type Method } from '@countersign/contracts';
import { type Database, type Sql } from '@countersign/persistence';
import { constantTimeEquals, type KeyedHash, type Keyring } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { VerificationRecords } from './calls.ports.js';
import { type RecordedSuccess, type VerificationRecord } from './call-state.decision.js';
import { SubjectBindings, type VersionedProfile } from '../integrity/subject-bindings.store.js';
import { successTag } from '../integrity/success-tag.js';
import { type ReportTampering } from '../integrity/tamper-reports.store.js';
import { ProfileVault } from '../subjects/profiles/profile-vault.store.js';
import { latestVersion } from '../subjects/subject.sql.js';

interface SuccessRow {
  readonly attempt_id: string;
  readonly agent: string;
  readonly agent_created_at: Date | null;
  readonly call_id: string | null;
  readonly method: Method;
  readonly level: RecordedSuccess['level'];
  readonly subject_id: string;
  readonly incarnation: string;
  readonly credential_version: number;
  readonly counted_at: Date;
  readonly expires_at: Date;
  readonly success_tag: string | null;
}

interface RecordRow extends SuccessRow, VersionedProfile {
  in_force: boolean;
  ended: boolean;
  now: Date;
}

const SUCCESS_COLUMNS = `
  attempt.attempt_id,
  attempt.agent,
  attempt.agent_created_at,
  attempt.call_id,
  attempt.method,
  attempt.level,
  attempt.subject_id,
  attempt.incarnation,
  attempt.credential_version,
  attempt.counted_at,
  attempt.expires_at,
  attempt.success_tag`;

/**
 * Successes that have not expired and have the same incarnation of the subject, with what happened since.
 *
 * A later outcome at another subject ends a success, whatever it was, because the call is then about somebody else. An
 * `unavailable` attempt ends nothing. A subject has one counter for each method, so the method is cut off the counter key.
 * A credential is in force if its row exists and no later version ever did, so a row that is put back has no effect.
 * $1 tenant, $2 the agent that reads
 */
const recordsWhere = (condition: string): string => `
SELECT
  ${SUCCESS_COLUMNS},
  s.version,
  s.profile,
  subject_key.key_id AS own_key_id,
  subject_key.wrapped AS own_key,
  ${latestVersion(`'profile'`)} AS latest_version,
  clock_timestamp() AS now,
  EXISTS (
    SELECT
    FROM verification.credentials credential
    WHERE credential.tenant = attempt.tenant
      AND credential.subject_id = attempt.subject_id
      AND credential.kind = attempt.method
      AND credential.version = attempt.credential_version
  ) AND attempt.credential_version = ${latestVersion('attempt.method')} AS in_force,
  attempt.call_id IS NOT NULL AND EXISTS (
    SELECT
    FROM verification.attempts later
    WHERE later.tenant = attempt.tenant
      AND later.agent IN (attempt.agent, $2)
      AND later.call_id = attempt.call_id
      AND later.decided_at >= attempt.decided_at
      AND later.outcome IN ('verified', 'rejected', 'locked', 'disabled')
      AND split_part(later.counter_key, ':', 1) <> split_part(attempt.counter_key, ':', 1)
  ) AS ended
FROM verification.attempts attempt
JOIN verification.subjects s
  ON s.tenant = attempt.tenant AND s.subject_id = attempt.subject_id AND s.incarnation = attempt.incarnation
LEFT JOIN verification.subject_keys subject_key
  ON subject_key.tenant = s.tenant AND subject_key.subject_id = s.subject_id
WHERE attempt.tenant = $1
  AND attempt.outcome = 'verified'
  AND attempt.expires_at > clock_timestamp()
  AND ${condition}`;

/** $3 call, $4 agents */
const OF_CALL = recordsWhere('attempt.call_id = $3 AND attempt.agent = ANY ($4::text[])');
/** $3 attempt */
const ONE = recordsWhere('attempt.attempt_id = $3::uuid');

/** Reads successes from the ledger in PostgreSQL. */
export class PostgresVerificationRecords extends VerificationRecords {
  readonly #bindings: SubjectBindings;
  readonly #profiles: ProfileVault;

  constructor(
    private readonly database: Database,
    private readonly hash: KeyedHash,
    keyring: Keyring,
    private readonly report?: ReportTampering,
  ) {
    super();
    this.#bindings = new SubjectBindings(keyring, hash, report);
    this.#profiles = new ProfileVault(keyring);
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
      if (!(await this.#isIncarnationBound(tenant, row))) continue;
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

  /**
   * Whether the incarnation is the one that was written last with the subject. The profile is bound to it, so the profile must
   * decrypt. Without this check, one UPDATE would revive the verifications of an erased subject under the same id. A subject
   * without a key has no proof, so its verifications end.
   */
  async #isIncarnationBound(tenant: string, row: RecordRow): Promise<boolean> {
    try {
      await this.#bindings.requireLatest(tenant, row);
      const profile = await this.#bindings.opened(tenant, row, () => this.#profiles.open(tenant, row));
      return profile !== undefined;
    } catch (error) {
      if (error instanceof ServiceError && error.code === 'CREDENTIAL_BROKEN') return false;
      throw error;
    }
  }
}

/**
 * Binds a success to the version with which its caller replaced the compared one, so that it continues to hold. A success that
 * was altered in the database stays unchanged, and is reported when it is read.
 */
export async function carryOver(
  tx: Sql,
  hash: KeyedHash,
  tenant: string,
  verificationId: string,
  credentialVersion: number,
): Promise<void> {
  const [row] = await tx.query<SuccessRow>(
    `SELECT ${SUCCESS_COLUMNS}
     FROM verification.attempts attempt
     WHERE attempt.tenant = $1 AND attempt.attempt_id = $2::uuid AND attempt.outcome = 'verified'
     FOR UPDATE`,
    [tenant, verificationId],
  );
  const success = row && successOf(row);
  if (!success || !isOurs(hash, tenant, success, row.success_tag)) return;
  const tag = successTag(hash, tenant, { ...success, credentialVersion });
  await tx.query(
    `UPDATE verification.attempts
     SET
       credential_version = $1,
       success_tag = $2
     WHERE attempt_id = $3`,
    [credentialVersion, tag, verificationId],
  );
}

function isOurs(hash: KeyedHash, tenant: string, success: RecordedSuccess, tag: string | null): boolean {
  return tag !== null && constantTimeEquals(tag, successTag(hash, tenant, success));
}

function successOf(row: SuccessRow): RecordedSuccess {
  return {
    agent: row.agent,
    agentCreatedAt: row.agent_created_at?.toISOString(),
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
