import { randomBytes, randomUUID } from 'node:crypto';
import {
  AttemptsReported,
  factRecorded,
  FactRecorded,
  message,
  type Method,
  type Outcome,
} from '@countersign/contracts';
import { Keyring, Secret } from '@countersign/crypto';
import { openDatabase, type Database } from '@countersign/persistence';
import { createTestDatabase } from '@countersign/testing';
import { AUDIT_MIGRATIONS } from '../../apps/audit/migrations/index.js';
import { PostgresAttemptLog } from '../../apps/audit/src/completeness/attempt-log.store.js';
import { PostgresDifferenceRecords } from '../../apps/audit/src/completeness/difference-records.store.js';
import { RaiseDifferences } from '../../apps/audit/src/completeness/raise-differences.use-case.js';
import { PostgresReadBackEntries } from '../../apps/audit/src/completeness/read-back.store.js';
import { ReconcileAttempts } from '../../apps/audit/src/completeness/reconcile-attempts.use-case.js';
import { PostgresLogSequencer } from '../../apps/audit/src/log/log-sequencer.store.js';
import { PostgresPersonalDataVault } from '../../apps/audit/src/personal-data/personal-data-vault.store.js';
import { SealPersonalData } from '../../apps/audit/src/personal-data/seal-personal-data.use-case.js';
import { PostgresAuditTrail } from '../../apps/audit/src/trail/audit-trail.store.js';
import { RecordFact } from '../../apps/audit/src/trail/record-fact.use-case.js';
import { VERIFICATION_MIGRATIONS } from '../../apps/verification/migrations/index.js';
import { PostgresAttemptGate } from '../../apps/verification/src/attempts/gate/attempt-gate.store.js';
import { AttemptReports } from '../../apps/verification/src/completeness/attempt-reports.store.js';
import { attemptOf, countedOf, outcomeOf, POLICY } from '../../apps/verification/test/attempt-gate.contract.js';
import { TEST_HASH } from '../../apps/verification/test/test-tables.js';

/** What a test needs of an attempt that was counted. */
export interface TestAttempt {
  readonly attemptId: string;
  readonly number: number;
}

interface AttemptOptions {
  readonly subject?: string;
  readonly referenceKey?: string;
  readonly method?: Method;
  /** Undefined: it stays undecided. */
  readonly outcome?: Outcome | undefined;
}

const testKeyring = (): Keyring => new Keyring(new Secret(`k1:${randomBytes(32).toString('base64url')}`));

/** The tables of verification and audit, with the parts of both services that are compared, and no bus. */
export class CompletenessWorld {
  readonly records: PostgresDifferenceRecords;
  readonly published: PostgresReadBackEntries;
  readonly raise: RaiseDifferences;
  readonly gate: PostgresAttemptGate;
  readonly reconcileAttempts: ReconcileAttempts;
  readonly #recordFact: RecordFact;

  private constructor(
    /** With all rights. */
    readonly administrator: Database,
    readonly verification: Database,
    readonly audit: Database,
    private readonly drop: () => Promise<void>,
  ) {
    this.gate = new PostgresAttemptGate(verification, TEST_HASH, () => undefined);
    const log = new PostgresAttemptLog(audit);
    this.records = new PostgresDifferenceRecords(audit);
    this.published = new PostgresReadBackEntries(audit);
    this.reconcileAttempts = new ReconcileAttempts(log, this.records);
    this.raise = new RaiseDifferences(log, this.records);
    const sequencer = new PostgresLogSequencer(audit, 'log.example/audit');
    const vault = new PostgresPersonalDataVault(audit, testKeyring());
    this.#recordFact = new RecordFact(new PostgresAuditTrail(sequencer), new SealPersonalData(vault), '1.8.0');
  }

  static async open(): Promise<CompletenessWorld> {
    const { url, drop } = await createTestDatabase();
    const open = (schema: 'verification' | 'audit', as: 'service' | 'administrator'): Promise<Database> => {
      const migrations = schema === 'audit' ? AUDIT_MIGRATIONS : VERIFICATION_MIGRATIONS;
      return openDatabase({ url, schema, migrations, as, applicationName: 'test', poolSize: 20 });
    };
    const verification = await open('verification', 'service');
    const audit = await open('audit', 'service');
    return new CompletenessWorld(await open('audit', 'administrator'), verification, audit, drop);
  }

  async close(): Promise<void> {
    await Promise.all([this.administrator, this.verification, this.audit].map((database) => database.close()));
    await this.drop();
  }

  /** Removes every attempt, entry and difference. */
  async empty(): Promise<void> {
    await this.administrator.query(
      `TRUNCATE verification.attempt_counters, verification.commands, verification.attempts, verification.outbox,
         audit.differences, audit.comparisons, audit.inbox CASCADE`,
    );
    for (const table of ['entries', 'tiles', 'tree_heads'])
      await this.force(`audit.${table}`, `TRUNCATE audit.${table}`);
    await this.force('audit.log_state', `UPDATE audit.log_state SET size = 0, compact_range = NULL`);
    await this.administrator.query(`UPDATE audit.read_back SET indexes = '{}'`);
    await this.administrator.query('UPDATE audit.publish_cursor SET next_idx = 0');
  }

  /** Counts an attempt and decides it; its fact is in the outbox. The subject exists: a counter keeps the id of no other. */
  async attempt({ subject, referenceKey, method = 'pin', ...more }: AttemptOptions = {}): Promise<TestAttempt> {
    const outcome = 'outcome' in more ? more.outcome : 'rejected';
    const attempt = attemptOf({
      method,
      referenceKey: referenceKey ?? subject ?? randomUUID(),
      subject,
    });
    if (subject !== undefined)
      await this.administrator.query(
        `INSERT INTO verification.subjects (tenant, subject_id, incarnation, version, profile)
         VALUES ($1, $2, gen_random_uuid(), 1, '') ON CONFLICT DO NOTHING`,
        [attempt.tenant, subject],
      );
    const counted = countedOf(await this.gate.count(attempt, POLICY));
    if (outcome === undefined) return counted;
    const fact = factRecorded('attempt.decided', new Date(counted.countedAt), {
      tenant: attempt.tenant,
      subjectKey: 'a'.repeat(64),
      ...(subject === undefined ? {} : { subject }),
      verificationId: counted.attemptId,
      ...{ method, channel: 'rest', outcome, attempt: counted.number },
    });
    await this.gate.decide({ ...outcomeOf(attempt, counted, outcome), facts: [fact] });
    return counted;
  }

  /** Takes the messages of the outbox, as the relay does. */
  async #take(type: string): Promise<unknown[]> {
    const rows = await this.administrator.query<{ payload: string }>(
      `DELETE FROM verification.outbox WHERE headers->>'type' = $1 RETURNING payload`,
      [type],
    );
    return rows.map(({ payload }) => JSON.parse(payload) as unknown);
  }

  /** Delivers the facts of the outbox to the log. */
  async deliverFacts(): Promise<number> {
    const facts = (await this.#take(FactRecorded.type)) as FactRecorded[];
    await Promise.all(facts.map((fact) => this.#recordFact.record(message(FactRecorded, fact))));
    return facts.length;
  }

  /** Compares the reports of the outbox. @returns the number of attempts in them */
  async deliverReports(): Promise<number> {
    let attempts = 0;
    for (const report of (await this.#take(AttemptsReported.type)) as AttemptsReported[]) {
      await this.reconcileAttempts.reconcile(message(AttemptsReported, report));
      attempts += report.attempts.length;
    }
    return attempts;
  }

  /** Reports and compares the whole ledger. */
  async compareAll(decoyDays = 37): Promise<void> {
    await this.administrator.query(
      `UPDATE verification.attempt_reports SET reported_until = 'epoch' WHERE pass = 'live'`,
    );
    // The attempts of this second too: none is in progress.
    const reports = new AttemptReports(
      this.verification,
      { delaySeconds: -2, historySeconds: 0, decoyDays },
      () => undefined,
    );
    await reports.reportLive();
    await this.deliverReports();
  }

  /** Lets every entry become old enough to be on the topic, and compares log and topic. */
  async compareTopic(): Promise<void> {
    await this.force('audit.tree_heads', `UPDATE audit.tree_heads SET created_at = created_at - interval '31 seconds'`);
    await this.records.replaceOfTopic(await this.published.differences());
  }

  /** Runs a statement that the database refuses to the services. */
  async force(table: string, statement: string, params: readonly unknown[] = []): Promise<void> {
    await this.administrator.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
    try {
      await this.administrator.query(statement, params);
    } finally {
      await this.administrator.query(`ALTER TABLE ${table} ENABLE TRIGGER USER`);
    }
  }

  /** Lets the differences become old enough to be certain. @returns the events that are raised */
  async raised(): Promise<FactRecorded[]> {
    await this.administrator.query(
      `UPDATE audit.differences SET first_seen_at = first_seen_at - interval '61 seconds'`,
    );
    const facts: FactRecorded[] = [];
    await this.raise.raise((sent) => Promise.resolve(void facts.push(...sent)));
    return facts;
  }
}
