import { IsBoolean, Length, Matches } from 'class-validator';
import { ManagementCommand } from './management.js';
import { IsName } from '../names.js';
import { TOPICS } from '../topics.js';
import { type Violation } from '../verification/verification.js';

/** The maximum number of rows of one batch of an import. */
export const MAX_IMPORT_ROWS = 200;
/** Ids of imports are chosen by the client: printable, without spaces. */
export const IMPORT_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:-]{7,63}$/;

/**
 * Imports a batch of subjects. `sealed` is a compact JWE of `{rows: SubjectRow[]}`. A row that has taken effect under the same
 * import id and line changes nothing. The batches of an import keep their order.
 */
export class SubjectImportRequested extends ManagementCommand {
  static readonly type = 'subject-import.requested.v1';
  static readonly topic = TOPICS.subjectCommands.name;
  @IsName() tenant!: string;
  @Matches(IMPORT_ID_PATTERN) importId!: string;
  /** True: every row is checked, and nothing is written. */
  @IsBoolean() dryRun!: boolean;
  @Length(1, 400_000) sealed!: string;
  get partitionKey(): string {
    return `${this.tenant}:import:${this.importId}`;
  }
}

/** A row of an import. Absent fields keep their value. */
export interface SubjectRow {
  /** From 1. */
  readonly line: number;
  readonly subject: string;
  readonly phones?: readonly string[];
  readonly displayName?: string;
  readonly locale?: string;
  readonly pin?: string;
  /** A hash of a PIN that another system made. */
  readonly pinHash?: string;
  readonly forceChange?: boolean;
  readonly answers?: Readonly<Record<string, string>>;
}

export const IMPORT_RESULTS = ['created', 'updated', 'unchanged', 'rejected'] as const;
export type ImportResult = (typeof IMPORT_RESULTS)[number];

/** The result of one row of an import. */
export interface ImportedRow {
  readonly line: number;
  /** Absent if the row has no valid id. */
  readonly subject?: string;
  readonly result: ImportResult;
  /** Only with `rejected`. */
  readonly violations?: readonly Violation[];
}
