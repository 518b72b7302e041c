import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { StreamSlots } from '@countersign/api';
import { EventItems, ReadRecords, type EventReader } from './read-events.use-case.js';
import { EventLog, StreamFaults, type EventFilters } from './search.ports.js';

const MAX_STREAMS = 100;
/** Not by key: a tenant can have 1,000 keys, which would take the streams of all others. */
const MAX_STREAMS_OF_A_TENANT = 20;
/** How often the log is read for new events while clients wait, and each client's key is checked, in milliseconds. */
const POLL_MS = 250;
/** Proxies end connections without traffic, often after a minute. */
const KEEP_ALIVE_MS = 15_000;
/** Events in memory for one client. */
const PAGE_SIZE = 100;

export interface EventStream {
  readonly filters: EventFilters;
  /** Only events after this index; undefined: only events from now on. */
  readonly after?: number;
  /** @throws Problem when the reader may not read any more */
  readonly checkAccess: () => void;
}

/** Sends events to clients as soon as the log has them (`text/event-stream`). */
@Injectable()
export class FollowEvents implements OnModuleDestroy {
  readonly #slots = new StreamSlots('live', MAX_STREAMS, MAX_STREAMS_OF_A_TENANT);
  readonly #stopping = new AbortController();
  /** The size of the log, read once for all clients. */
  #size: { readonly at: number; readonly value: Promise<number> } | undefined;

  constructor(
    private readonly log: EventLog,
    private readonly records: ReadRecords,
    private readonly items: EventItems,
    private readonly faults: StreamFaults,
  ) {}

  onModuleDestroy(): void {
    this.#stopping.abort();
  }

  /**
   * The stream ends within a second when access ends, also while its client takes nothing. Its start is an event.
   * @throws Problem quota-exceeded when too many clients follow
   * @throws ServiceError DATABASE_UNAVAILABLE
   */
  async follow(reader: EventReader, stream: EventStream): Promise<Readable> {
    const release = this.#slots.take(reader.tenant ?? '');
    try {
      const after = stream.after ?? (await this.log.size()) - 1;
      await this.records.record('audit.read', reader, stream.filters, { live: true });
      // One page at most waits for the client.
      const lines: Readable = Readable.from(
        this.#lines(reader, stream.filters, after, () => lines.destroyed),
        { objectMode: false, highWaterMark: 1 },
      );
      const watch = setInterval(() => {
        try {
          stream.checkAccess();
        } catch (error) {
          lines.destroy(error as Error);
        }
      }, POLL_MS);
      return lines.once('close', () => {
        clearInterval(watch);
        release();
      });
    } catch (error) {
      release();
      throw error;
    }
  }

  async *#lines(
    reader: EventReader,
    filters: EventFilters,
    after: number,
    hasEnded: () => boolean,
  ): AsyncGenerator<string> {
    const { signal } = this.#stopping;
    let next = after + 1;
    let sentAt = performance.now();
    yield `retry: 1000\n${idLine(next)}\n`;
    // A stream that is destroyed waits for its generator, so the generator must find out by itself.
    while (!signal.aborted && !hasEnded()) {
      const size = await this.#currentSize();
      // Events below the size were committed before, so none of them can appear later.
      const range = { order: 'asc', cursor: next - 1, below: size, limit: PAGE_SIZE } as const;
      const events = size > next ? await this.log.page(reader.tenant, filters, range) : [];
      if (events.length > 0) {
        const items = await this.items.of(events);
        yield events.map(({ index, type }, at) => `id: ${index}\nevent: ${type}\ndata: ${items[at]}\n\n`).join('');
        sentAt = performance.now();
      } else if (performance.now() - sentAt >= KEEP_ALIVE_MS) {
        yield `: keep-alive\n${idLine(next)}\n`;
        sentAt = performance.now();
      }
      const isFull = events.length === PAGE_SIZE;
      next = isFull ? (events.at(-1)?.index ?? next) + 1 : Math.max(next, size);
      if (!isFull) await delay(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #currentSize(): Promise<number> {
    const now = performance.now();
    if (this.#size === undefined || now - this.#size.at >= POLL_MS / 2) {
      this.#size = { at: now, value: this.log.size() };
      this.#size.value.catch((error: unknown) => this.faults.logFault(error, 'live streams of events ended'));
    }
    return this.#size.value;
  }
}

/** Without an event, a client that was interrupted continues after what was examined for it. */
function idLine(next: number): string {
  return next === 0 ? '' : `id: ${next - 1}\n`;
}
