import { type Database } from '@countersign/persistence';
import { sameText, type KeyedHash } from '@countersign/sealing';
import { type CallState } from '../domain/call-state.js';
import { CallStore } from '../ports.js';
import { callTag } from './call-tag.js';
import { type ReportTampering } from './tamper-reports.js';

interface CallRow {
  agent: string;
  level: CallState['level'];
  subject_id: string;
  verification_id: string;
  verified_at: Date;
  expires_at: Date;
  tag: string | null;
}

/** States of calls in PostgreSQL. */
export class PostgresCallStore extends CallStore {
  constructor(
    private readonly database: Database,
    private readonly hash: KeyedHash,
    private readonly report?: ReportTampering,
  ) {
    super();
  }

  /** The subject must be the one of then: a verdict that raced with an erasure leaves a row behind that counts for nobody. */
  override async find(tenant: string, callId: string): Promise<CallState | undefined> {
    const [row] = await this.database.forTenants([tenant]).prepared<CallRow>(
      'verification.call',
      `SELECT k.agent, k.level, k.subject_id, k.verification_id, k.verified_at, k.expires_at, k.tag
       FROM verification.calls k JOIN verification.subjects s ON s.tenant = k.tenant AND s.subject_id = k.subject_id
       WHERE k.tenant = $1 AND k.call_id = $2 AND k.expires_at > clock_timestamp() AND s.created_at <= k.verified_at`,
      [tenant, callId],
    );
    if (!row) return undefined;
    const state: CallState = {
      agent: row.agent,
      level: row.level,
      subject: row.subject_id,
      verificationId: row.verification_id,
      verifiedAt: row.verified_at.toISOString(),
      expiresAt: row.expires_at.toISOString(),
    };
    if (row.tag !== null && sameText(row.tag, callTag(this.hash, tenant, callId, state))) return state;
    const reason = row.tag === null ? 'untagged' : 'altered';
    await this.report?.({ what: 'call', reason, tenant, subject: state.subject });
    return undefined;
  }

  /** Removes states whose time is over, at most 10,000, for short locks. @returns how many */
  async forget(): Promise<number> {
    const rows = await this.database.forAllTenants().query(
      `DELETE FROM verification.calls WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM verification.calls WHERE expires_at < clock_timestamp() LIMIT 10000))
         AND expires_at < clock_timestamp()
       RETURNING 1`,
    );
    return rows.length;
  }
}
