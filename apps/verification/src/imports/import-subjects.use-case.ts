import { Inject, Injectable } from '@nestjs/common';
import {
  bindingOf,
  CommandAnswered,
  MAX_IMPORT_ROWS,
  message,
  SUBJECT_PATTERN,
  SubjectImportRequested,
  type ImportedRow,
  type ImportResult,
  type Method,
  type Violation,
} from '@countersign/contracts';
import { type KeyedHash } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { capOf, LOWEST_CAP } from '../attempts/gate/attempt-counter.decision.js';
import { SealedPayloads } from '../attempts/attempts.ports.js';
import { PinVault, type EnrolledCredential, type NewCredential } from '../credentials/credentials.ports.js';
import { formOfImport, HASH_FORM_RULE } from '../credentials/hash-bounds.decision.js';
import { HISTORY_RULE, ownDataWeakness, weakness } from '../credentials/pin-rules.decision.js';
import { TABLE_NAMES } from '../integrity/stored-names.js';
import { EnrolKnowledge } from '../knowledge/enrol-knowledge.use-case.js';
import { changeProfile, type ProfileChange } from '../subjects/profiles/profile.decision.js';
import { isViolations, readProfile } from '../subjects/profiles/read-profile.js';
import { SubjectStore } from '../subjects/subjects.ports.js';
import { SubjectBatches, type ExistingSubject } from './imports.ports.js';

/** Rows of one batch that are worked on at a time. */
const CONCURRENCY = 8;
/** Concurrent enrolments of one subject are rare, so a row is given up after this many runs. */
const MAX_RUNS = 3;

const TAKEN: Violation = { field: 'phones', rule: 'must not belong to another subject of the tenant' };
const NO_TENANT: Violation = { field: 'subject', rule: 'must belong to a tenant that is not being deleted' };
const ALTERED: Violation = { field: 'subject', rule: 'has stored data that was altered: erase the subject first' };

/** A row that keeps every rule that does not depend on what is stored. */
interface CheckedRow {
  /** The same whenever the row is sent again under its import id. */
  readonly id: string;
  readonly line: number;
  readonly subject: string;
  readonly change: ProfileChange;
  readonly pin: string | undefined;
  readonly pinHash: string | undefined;
  readonly mustChange: boolean;
  readonly answers: ReadonlyMap<string, string> | undefined;
}

/** A row that breaks rules. */
type RejectedRow = Pick<ImportedRow, 'line' | 'subject'> & { readonly violations: readonly Violation[] };
type NewCredentialPart = Pick<NewCredential, 'kind' | 'mustChange' | 'cap' | 'hashForm' | 'wrap'>;
type Import = Pick<SubjectImportRequested, 'tenant' | 'importId' | 'actor' | 'dryRun'>;

/**
 * Imports batches of subjects. New subjects of a batch are created in one transaction; a subject that exists is changed as by
 * single commands. An error of one row does not affect the others. A row that took effect before changes nothing.
 */
@Injectable()
export class ImportSubjects {
  constructor(
    private readonly batches: SubjectBatches,
    private readonly subjects: SubjectStore,
    private readonly vault: PinVault,
    private readonly knowledge: EnrolKnowledge,
    private readonly payloads: SealedPayloads,
    @Inject(TABLE_NAMES) private readonly names: KeyedHash,
  ) {}

  /** @throws ServiceError DATABASE_UNAVAILABLE, retriable: the rows that took effect are found again */
  async import(command: SubjectImportRequested): Promise<CommandAnswered> {
    const { commandId } = command;
    const rows = await this.#open(command);
    if (rows === undefined) return message(CommandAnswered, { commandId, answer: 'unavailable' });
    const results: ImportedRow[] = [];
    for (const part of withDistinctSubjects(rows)) results.push(...(await this.#importPart(command, part)));
    return message(CommandAnswered, { commandId, answer: 'updated', body: { results } });
  }

  /** Undefined if the payload does not decrypt, or is no list of rows. */
  async #open(command: SubjectImportRequested): Promise<readonly Record<string, unknown>[] | undefined> {
    try {
      const { rows } = await this.payloads.open(command.sealed, bindingOf(SubjectImportRequested, command));
      const isReadable =
        Array.isArray(rows) &&
        rows.length <= MAX_IMPORT_ROWS &&
        rows.every((row) => typeof row === 'object' && row !== null && Number.isSafeInteger((row as Row)['line']));
      return isReadable ? (rows as Row[]) : undefined;
    } catch (error) {
      if (error instanceof ServiceError && !error.retriable) return undefined;
      throw error;
    }
  }

  async #importPart(batch: Import, rows: readonly Row[]): Promise<ImportedRow[]> {
    const checked = rows.map((row) => this.#check(batch, row));
    const valid = checked.filter((row) => 'id' in row);
    const repeated = await this.batches.repeated(
      valid.flatMap(({ id }) => [id, ...PARTS.map((part) => `${id}:${part}`)]),
    );
    const existing = await this.batches.find(
      batch.tenant,
      valid.map(({ subject }) => subject),
    );
    const fresh = valid.filter(({ id, subject }) => !repeated.has(id) && !existing.has(subject));
    const created = await this.#create(batch, fresh);
    return mapLimited(checked, async (row): Promise<ImportedRow> => {
      if (!('id' in row)) return { ...row, result: 'rejected' };
      const { id, line, subject } = row;
      const known = existing.get(subject);
      const result = repeated.has(id)
        ? 'unchanged'
        : known
          ? await this.#change(batch, row, known, repeated)
          : (created.get(id) ?? 'unchanged');
      return typeof result === 'string'
        ? { line, subject, result }
        : { line, subject, result: 'rejected', violations: result };
    });
  }

  #check({ tenant, importId }: Import, row: Row): CheckedRow | RejectedRow {
    const line = row['line'] as number;
    const { subject, pin, pinHash, answers } = row;
    if (typeof subject !== 'string' || !SUBJECT_PATTERN.test(subject))
      return { line, violations: [{ field: 'subject', rule: 'must be the id of a subject' }] };
    const profile = readProfile(row);
    const normal = answers === undefined ? undefined : this.knowledge.normalized(tenant, answers);
    const violations = [
      ...(isViolations(profile) ? profile : []),
      ...(pin === undefined ? [] : ruleOf('pin', typeof pin === 'string' ? weakness(pin) : 'must be 4 to 8 digits')),
      ...(pinHash === undefined || isImportable(pinHash) ? [] : ruleOf('pinHash', HASH_FORM_RULE)),
      ...(pin !== undefined && pinHash !== undefined ? ruleOf('pinHash', 'must not be given beside pin') : []),
      ...(normal instanceof Map || normal === undefined ? [] : normal),
    ];
    if (violations.length > 0 || isViolations(profile)) return { line, subject, violations };
    return {
      id: `import-${this.names.hash('imported row', tenant, importId, JSON.stringify(row))}`,
      line,
      subject,
      change: profile,
      pin: pin as string | undefined,
      pinHash: pinHash as string | undefined,
      mustChange: row['forceChange'] === true,
      answers: normal instanceof Map ? normal : undefined,
    };
  }

  /** @returns the results, or the rules that a row breaks, by row id */
  async #create(batch: Import, rows: readonly CheckedRow[]): Promise<Map<string, Result>> {
    const { tenant, dryRun } = batch;
    const results = new Map<string, Result>();
    const accepted = rows.filter(({ id, pin, change }) => {
      const rule = pin === undefined ? undefined : ownDataWeakness(pin, change.phones ?? []);
      if (rule !== undefined) results.set(id, ruleOf('pin', rule));
      return rule === undefined;
    });
    if (dryRun) {
      const owners = new Map(
        await this.batches.ownersOf(
          tenant,
          accepted.flatMap(({ change }) => change.phones ?? []),
        ),
      );
      for (const { id, subject, change } of accepted) {
        const isTaken = (change.phones ?? []).some((phone) => (owners.get(phone) ?? subject) !== subject);
        for (const phone of isTaken ? [] : (change.phones ?? [])) owners.set(phone, subject);
        results.set(id, isTaken ? [TAKEN] : 'created');
      }
      return results;
    }
    if (accepted.length === 0) return results;
    const created = await mapLimited(accepted, async (row) => {
      const { id: rowId, subject, change } = row;
      const credentials = await this.#newCredentials(tenant, row);
      return { rowId, subject, profile: changeProfile({}, change).profile, credentials };
    });
    const outcomes = await this.batches.create(tenant, batch, created);
    for (const [at, row] of accepted.entries()) {
      switch (outcomes[at]) {
        case 'created':
          results.set(row.id, 'created');
          break;
        case 'taken':
          results.set(row.id, [TAKEN]);
          break;
        case 'no_tenant':
          results.set(row.id, [NO_TENANT]);
          break;
        case 'exists': {
          const known = (await this.batches.find(tenant, [row.subject])).get(row.subject);
          if (known) results.set(row.id, await this.#change(batch, row, known, new Set()));
          break;
        }
        default:
          results.set(row.id, 'unchanged');
      }
    }
    return results;
  }

  async #newCredentials(tenant: string, row: CheckedRow): Promise<NewCredentialPart[]> {
    const pin = await this.#newPin(tenant, row);
    const answers = await this.#newAnswers(tenant, row);
    return [pin, answers].filter((one) => one !== undefined);
  }

  async #newPin(
    tenant: string,
    { pin, pinHash, mustChange }: CheckedRow,
    enrolled?: EnrolledCredential,
    isSame = false,
  ): Promise<NewCredentialPart | undefined> {
    const before = enrolled?.inForce ?? enrolled?.removed;
    if (pin !== undefined) {
      const wrap = await this.vault.prepare(pin, tenant, before, isSame, 'background');
      return { kind: 'pin', mustChange, cap: capOf(pin.length), wrap };
    }
    if (pinHash === undefined) return undefined;
    const wrap = await this.vault.prepareImported(pinHash, before);
    // The length of the PIN is unknown, so the cap is that of the shortest one.
    return { kind: 'pin', mustChange, cap: LOWEST_CAP, hashForm: formOfImport(pinHash), wrap };
  }

  async #newAnswers(tenant: string, { answers }: CheckedRow): Promise<NewCredentialPart | undefined> {
    if (answers === undefined) return undefined;
    const wrap = await this.vault.prepareAnswers(answers, tenant, 'background');
    return { kind: 'knowledge', mustChange: false, cap: LOWEST_CAP, wrap };
  }

  /** Everything is checked before anything is written. */
  async #change(
    batch: Import,
    row: CheckedRow,
    { profile: before }: ExistingSubject,
    repeated: ReadonlySet<string>,
  ): Promise<Result> {
    if (before === undefined) return [ALTERED];
    const { tenant, dryRun, actor } = batch;
    const { id, subject, change } = row;
    const { changed, profile } = changeProfile(before, change);
    // Before the PIN is compared: a row that is rejected for its number must not reveal whether it has an earlier PIN.
    if (await this.#isTaken(tenant, subject, change)) return [TAKEN];
    const isPinDue = (row.pin ?? row.pinHash) !== undefined && !repeated.has(`${id}:pin`);
    const pin = isPinDue ? await this.#comparePin(batch, row, profile.phones ?? []) : 'same';
    if (typeof pin !== 'string') return pin;
    const areAnswersDue = row.answers !== undefined && !repeated.has(`${id}:knowledge`);
    if (changed.length === 0 && pin === 'same' && !areAnswersDue) return 'unchanged';
    if (dryRun) return 'updated';
    if (changed.length > 0) {
      const result = await this.subjects.change(`${id}:profile`, tenant, subject, change, true, actor);
      if (result === 'taken') return [TAKEN];
      if (result === 'not_found') throw erased();
    }
    const enrol = (kind: Method, prepare: (enrolled: EnrolledCredential) => Promise<PreparedCredential | undefined>) =>
      this.#enrol(`${id}:${kind}`, batch, subject, kind, prepare);
    if (pin === 'new')
      await enrol('pin', async (enrolled) => {
        const isSame = row.pin !== undefined && (await this.#position(row.pin, enrolled)) === 0;
        const part = await this.#newPin(tenant, row, enrolled, isSame);
        return part && { ...part, again: isSame && !enrolled.disabled };
      });
    if (areAnswersDue)
      await enrol('knowledge', async () => {
        const part = await this.#newAnswers(tenant, row);
        return part && { ...part, again: false };
      });
    return 'updated';
  }

  /**
   * `same`: the PIN is in force already, so nothing is to be written. A dry run compares it with no stored PIN: it counts no
   * attempt and leaves no trace, so an API key could guess the PIN of a subject.
   */
  async #comparePin(
    { tenant, dryRun }: Import,
    { id, subject, pin, pinHash, mustChange }: CheckedRow,
    phones: readonly string[],
  ): Promise<'same' | 'new' | Violation[]> {
    const rule = pin === undefined ? undefined : ownDataWeakness(pin, phones);
    if (rule !== undefined) return ruleOf('pin', rule);
    if (dryRun) return 'new';
    const enrolled = await this.subjects.enrolled(id, tenant, subject, 'pin');
    if (!enrolled) throw erased();
    const position = pin === undefined ? -1 : await this.#position(pin, enrolled);
    if (position > 0) return ruleOf('pin', HISTORY_RULE);
    const isInForce = pinHash === undefined ? position === 0 : await this.vault.isInForce(pinHash, enrolled.inForce);
    return isInForce && !enrolled.disabled && enrolled.inForce?.mustChange === mustChange ? 'same' : 'new';
  }

  /** 0 for the PIN in force. A removed PIN is an earlier one. */
  async #position(pin: string, { inForce, removed }: EnrolledCredential): Promise<number> {
    const position = await this.vault.positionInHistory(pin, inForce ?? removed, 'background');
    return position === 0 && !inForce ? 1 : position;
  }

  async #enrol(
    id: string,
    { tenant, importId, actor }: Import,
    subject: string,
    kind: Method,
    prepare: (enrolled: EnrolledCredential) => Promise<PreparedCredential | undefined>,
  ): Promise<void> {
    for (let run = 1; run <= MAX_RUNS; run++) {
      const enrolled = await this.subjects.enrolled(id, tenant, subject, kind);
      if (!enrolled) throw erased();
      const part = await prepare(enrolled);
      if (enrolled.repeated || part === undefined) return;
      const { version: replaces } = enrolled;
      const credential = { ...part, replaces, by: 'administrator', receivedCommandId: importId, actor } as const;
      if ((await this.subjects.enrol(id, tenant, subject, credential)) !== 'outdated') return;
    }
    throw new ServiceError('DATABASE_UNAVAILABLE', 'a subject was changed again and again during its import', true);
  }

  async #isTaken(tenant: string, subject: string, { phones = [] }: ProfileChange): Promise<boolean> {
    const owners = await this.batches.ownersOf(tenant, phones);
    return [...owners.values()].some((owner) => owner !== subject);
  }
}

type Row = Record<string, unknown>;
type PreparedCredential = NewCredentialPart & Pick<NewCredential, 'again'>;
type Result = Exclude<ImportResult, 'rejected'> | Violation[];

/** Suffixes of the ids of the commands that change an existing subject. */
const PARTS = ['profile', 'pin', 'knowledge'] as const;

const ruleOf = (field: string, rule: string | undefined): Violation[] => (rule === undefined ? [] : [{ field, rule }]);
const isImportable = (hash: unknown): boolean => typeof hash === 'string' && formOfImport(hash) !== undefined;
/** Retried: then the row creates the subject anew. */
const erased = (): ServiceError =>
  new ServiceError('DATABASE_UNAVAILABLE', 'a subject was erased during its import', true);

/** Consecutive parts in which no subject has two rows, so the rows of a subject take effect in their order. */
function withDistinctSubjects(rows: readonly Row[]): Row[][] {
  const parts: Row[][] = [];
  let seen = new Set<unknown>();
  for (const row of rows) {
    if (parts.length === 0 || seen.has(row['subject'])) {
      parts.push([]);
      seen = new Set();
    }
    seen.add(row['subject']);
    parts.at(-1)?.push(row);
  }
  return parts;
}

async function mapLimited<In, Out>(items: readonly In[], work: (item: In) => Promise<Out>): Promise<Out[]> {
  const results: Out[] = [];
  const entries = items.entries();
  const worker = async (): Promise<void> => {
    for (const [at, item] of entries) results[at] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker));
  return results;
}
