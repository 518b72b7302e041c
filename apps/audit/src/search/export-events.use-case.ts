import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { StreamSlots, type ExportFormat } from '@countersign/api';
import { stringify } from 'csv-stringify/sync';
import { EventLog, StreamFaults, type EventFilters, type LoggedEvent } from './search.ports.js';
import { ReadRecords, type EventReader } from './read-events.use-case.js';

/** Events of one page: about 3 MB. */
const PAGE_SIZE = 2_000;
/** A cell that begins with one of these is a formula in a spreadsheet. */
const CSV = { escape_formulas: true } as const;
const CSV_COLUMNS = ['index', 'id', 'type', 'time', 'tenant', 'subject', 'call', 'event'];

export interface EventExport {
  readonly filters: EventFilters;
  readonly format: ExportFormat;
  /** Only events after this index. */
  readonly cursor?: number;
  /** Called before each page. @throws Problem when the reader may not read any more */
  readonly checkAccess: () => void;
}

/** Exports events page by page, the oldest first, as fast as the client takes them. */
@Injectable()
export class ExportEvents implements OnModuleDestroy {
  readonly #slots = new StreamSlots();
  readonly #stopping = new AbortController();

  constructor(
    private readonly log: EventLog,
    private readonly records: ReadRecords,
    private readonly faults: StreamFaults,
  ) {}

  onModuleDestroy(): void {
    this.#stopping.abort();
  }

  /**
   * The events that the log has now. A stream that fails breaks off, so its client gets no whole answer.
   * @throws Problem quota-exceeded when too many exports run
   * @throws ServiceError DATABASE_UNAVAILABLE
   */
  async export(reader: EventReader, options: EventExport): Promise<Readable> {
    const release = this.#slots.take(reader.tenant ?? '');
    try {
      // Reading begins events of its own: without the bound an export would follow them without end.
      const lines = Readable.from(this.#pages(reader, options, await this.log.size()), { objectMode: false });
      const isZipped = options.format === 'ndjson.gz';
      const stream = isZipped ? lines.pipe(createGzip()) : lines;
      if (isZipped) {
        lines.once('error', (error) => stream.destroy(error));
        stream.once('close', () => lines.destroy());
      }
      lines.once('close', release);
      return stream;
    } catch (error) {
      release();
      throw error;
    }
  }

  async *#pages(
    reader: EventReader,
    { filters, format, cursor, checkAccess }: EventExport,
    below: number,
  ): AsyncGenerator<Buffer | string> {
    let count = 0;
    let isRecorded = false;
    const record = (isComplete: boolean): Promise<void> =>
      this.records.record('audit.exported', reader, filters, { format, count, isComplete });
    try {
      if (format === 'csv') yield stringify([CSV_COLUMNS]);
      for (let after = cursor; ;) {
        this.#stopping.signal.throwIfAborted();
        checkAccess();
        const range = { order: 'asc', below, limit: PAGE_SIZE, ...(after !== undefined && { cursor: after }) } as const;
        const events = await this.log.page(reader.tenant, filters, range);
        after = events.at(-1)?.index;
        count += events.length;
        const isLast = events.length < PAGE_SIZE;
        // No client gets all events without an event.
        if (isLast) await record(true);
        isRecorded = isLast;
        if (events.length > 0) yield format === 'csv' ? csvLines(events) : jsonLines(events);
        if (isLast) return;
      }
    } catch (error) {
      this.faults.logFault(error, 'an export of events ended early');
      throw error;
    } finally {
      if (!isRecorded)
        await record(false).catch((error: unknown) =>
          this.faults.logFault(error, 'the event of an export was not recorded'),
        );
    }
  }
}

const NEW_LINE = Buffer.from('\n');

function jsonLines(events: readonly LoggedEvent[]): Buffer {
  return Buffer.concat(events.flatMap(({ value }) => [value, NEW_LINE]));
}

function csvLines(events: readonly LoggedEvent[]): string {
  return stringify(
    events.map(({ index, id, type, time, tenant, subject, call, value }) => [
      ...[index, id, type, time.toISOString(), tenant, subject ?? '', call ?? '', value.toString('utf8')],
    ]),
    CSV,
  );
}
