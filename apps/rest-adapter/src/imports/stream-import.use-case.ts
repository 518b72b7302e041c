import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Problem, problemBody, RequestPipe, StreamSlots } from '@countersign/api';
import {
  bindingOf,
  CommandAnswered,
  factRecorded,
  message,
  MAX_IMPORT_ROWS,
  SUBJECT_PATTERN,
  SubjectImportRequested,
  type Actor,
  type ImportedRow,
  type ImportResult,
  type SubjectRow,
} from '@countersign/contracts';
import { PayloadSealer } from '@countersign/crypto';
import { withoutRounding } from '@countersign/normalization';
import { ServiceError } from '@countersign/runtime';
import { CommandBus, FactBus, StreamLimits } from '../rest-adapter.ports.js';
import { gather } from './gather.js';
import { SubjectRowBody } from './imports.dto.js';
import { readLines, type Line } from './read-lines.js';

/** The maximum length of a line in bytes: ten answers of 200 characters of four bytes fit. */
export const LINE_LIMIT = 16_384;
/** The maximum size of a batch in bytes of lines. A message of this size is far below the limit of Kafka. */
const BATCH_BYTES = 131_072;
/** A row has fields, and answers within a field. Deeper values would exhaust the stack of what checks them. */
const MAX_NESTING = 4;
/** A secret that is hashed on arrival counts as this many rows, so that a batch takes a second or two. */
const HASH_WEIGHT = 10;
const LINGER_MS = 200;
/** Batches in flight: one is worked on, and one waits for it. */
const IN_FLIGHT = 2;
/** Hashes of imports wait for those of callers, so a batch may take long. */
const BATCH_TIMEOUT_MS = 30_000;
/** A batch is sent again after these pauses, in milliseconds, when nothing answered. */
const RETRY_PAUSES_MS = [1_000, 5_000, 15_000];

/** How an import is carried out. */
export interface ImportOptions {
  readonly tenant: string;
  readonly importId: string;
  readonly actor: Actor;
  readonly firstLine: number;
  readonly dryRun: boolean;
  /** Throws a Problem when the key of the client does not permit the import any more: the import ends then. */
  readonly checkKey: () => void | Promise<void>;
}

/** A line that was read: a row to import, or the result of one that breaks a rule. */
type ReadLine = { readonly row: SubjectRow; readonly bytes: number } | { readonly rejected: ImportedRow };

/** Reads the lines of an import, and sends them to the verification service in batches, as fast as it takes them. */
@Injectable()
export class StreamImport implements OnModuleDestroy {
  readonly #pipe = new RequestPipe();
  readonly #stopping = new AbortController();
  readonly #slots = new StreamSlots('subject_import');

  constructor(
    private readonly bus: CommandBus,
    private readonly facts: FactBus,
    private readonly sealer: PayloadSealer,
    private readonly limits: StreamLimits,
  ) {}

  /** Imports in progress end after the batches in flight. */
  onModuleDestroy(): void {
    this.#stopping.abort();
  }

  /**
   * @returns the results as NDJSON, in the order of the lines. A fault ends them with a problem as the last line
   * @throws Problem quota-exceeded when too many imports run
   */
  import(options: ImportOptions, body: Readable, ended: () => void): Readable {
    const release = this.#slots.take(options.tenant);
    // The stream also closes when nobody reads it, because the client has gone. The generator does not even begin then.
    return Readable.from(this.#results(options, body), { objectMode: false, highWaterMark: 16_384 }).once(
      'close',
      () => {
        release();
        ended();
      },
    );
  }

  async *#results(options: ImportOptions, body: Readable): AsyncGenerator<string> {
    const counts: Record<ImportResult, number> = { created: 0, updated: 0, unchanged: 0, rejected: 0 };
    const begunAt = performance.now();
    let isComplete = false;
    const batches = gather(this.#read(options, body), {
      maxWeight: MAX_IMPORT_ROWS,
      weightOf,
      lingerMs: LINGER_MS,
      idleMs: this.limits.idleMs,
      signal: this.#stopping.signal,
    });
    try {
      // Keeps the order of the batches.
      const results = Readable.from(batches).map((batch: ReadLine[]) => this.#send(options, begunAt, batch), {
        concurrency: IN_FLIGHT,
      }) as AsyncIterable<readonly ImportedRow[]>;
      for await (const rows of results) {
        for (const { result } of rows) counts[result] += 1;
        yield rows.map((row) => `${JSON.stringify(row)}\n`).join('');
      }
      isComplete = true;
    } catch (error) {
      this.limits.logFault(error, 'an import of subjects ended early');
      yield `${JSON.stringify(problemBody(error instanceof Problem ? error : new Problem('unavailable')))}\n`;
    } finally {
      if (!options.dryRun) await this.#record(options, { ...counts, isComplete });
    }
  }

  async *#read({ firstLine }: ImportOptions, body: Readable): AsyncGenerator<ReadLine> {
    for await (const line of readLines(body, firstLine, LINE_LIMIT)) yield await this.#checked(line);
  }

  async #checked({ number: line, text }: Line): Promise<ReadLine> {
    const rejected = (rule: string): ReadLine => ({
      rejected: { line, result: 'rejected', violations: [{ field: 'line', rule }] },
    });
    if (text === undefined) return rejected(`must be UTF-8 of at most ${LINE_LIMIT} bytes`);
    let parsed: unknown;
    try {
      parsed = JSON.parse(withoutRounding(text));
    } catch {
      return rejected('must be one JSON object');
    }
    if (isNested(parsed, MAX_NESTING)) return rejected(`must not be nested deeper than ${MAX_NESTING} levels`);
    try {
      const body = (await this.#pipe.transform(parsed, { type: 'body', metatype: SubjectRowBody })) as SubjectRowBody;
      return { row: body.row(line), bytes: text.length };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return { rejected: { line, ...subjectOf(parsed), result: 'rejected', violations: error.violations ?? [] } };
    }
  }

  /** @throws ServiceError, Problem when the batch has no results */
  async #send(
    { tenant, importId, actor, dryRun, checkKey }: ImportOptions,
    begunAt: number,
    batch: readonly ReadLine[],
  ): Promise<ImportedRow[]> {
    await checkKey();
    if (performance.now() - begunAt > this.limits.longestMs) throw new Problem('unavailable');
    const rows = batch.flatMap((line) => ('row' in line ? [line.row] : []));
    const rejected = batch.flatMap((line) => ('rejected' in line ? [line.rejected] : []));
    if (rows.length === 0) return rejected;
    const command = { commandId: `rest-${randomUUID()}`, actor, tenant, importId, dryRun };
    const sealed = await this.sealer.seal({ rows }, bindingOf(SubjectImportRequested, command));
    const { answer, body } = await this.#request(message(SubjectImportRequested, { ...command, sealed }));
    if (answer !== 'updated') throw new Problem('unavailable');
    const results = [...rejected, ...((body?.['results'] ?? []) as ImportedRow[])];
    return results.sort((a, b) => a.line - b.line);
  }

  async #request(command: SubjectImportRequested): Promise<CommandAnswered> {
    for (const pause of RETRY_PAUSES_MS) {
      try {
        return await this.bus.request(command, CommandAnswered, BATCH_TIMEOUT_MS);
      } catch (error) {
        if (!(error instanceof ServiceError && error.retriable)) throw error;
        await delay(pause, undefined, { signal: this.#stopping.signal });
      }
    }
    return this.bus.request(command, CommandAnswered, BATCH_TIMEOUT_MS);
  }

  async #record({ tenant, importId, actor }: ImportOptions, detail: Record<string, number | boolean>): Promise<void> {
    const fact = factRecorded('subjects.imported', new Date(), {
      tenant,
      commandId: importId,
      actor,
      channel: 'rest',
      detail,
    });
    await this.facts.publish([{ message: fact }]).catch((error: unknown) => {
      this.limits.logFault(error, 'the event of an import was not published');
    });
  }
}

/** A batch is full after 200 rows, 20 secrets to hash, or 128 KiB. */
function weightOf(line: ReadLine): number {
  if ('rejected' in line) return 1;
  const { row, bytes } = line;
  const hashes = (row.pin === undefined ? 0 : 1) + Object.keys(row.answers ?? {}).length;
  return Math.max(1, hashes * HASH_WEIGHT, (bytes * MAX_IMPORT_ROWS) / BATCH_BYTES);
}

function subjectOf(row: unknown): Pick<ImportedRow, 'subject'> {
  const subject = typeof row === 'object' && row !== null ? (row as Partial<SubjectRow>).subject : undefined;
  return typeof subject === 'string' && SUBJECT_PATTERN.test(subject) ? { subject } : {};
}

/** Whether a value has more levels of objects and arrays. Descends no further than that. */
function isNested(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isNested(inner, levels - 1));
}
