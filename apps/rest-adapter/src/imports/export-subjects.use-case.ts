import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Problem, problemBody, StreamSlots } from '@countersign/api';
import { factRecorded, MAX_PAGE_SIZE, message, SubjectListRequested } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { Manage, type CommandOrigin } from '../management/manage.js';
import { type SubjectPage } from '../management/subjects/subjects.dto.js';
import { FactBus, StreamLimits } from '../rest-adapter.ports.js';

/** How often the key of an export is checked while its client reads slowly, in milliseconds. */
const KEY_CHECK_MS = 500;
/** A page after the first one is requested again after these pauses, in milliseconds, when nothing answered. */
const RETRY_PAUSES_MS = [1_000, 5_000];

/** Throws a Problem when the client may not get more. */
export type CheckKey = () => void | Promise<void>;

/** Reads all subjects of a tenant page by page, as fast as the client takes them. */
@Injectable()
export class ExportSubjects implements OnModuleDestroy {
  readonly #slots = new StreamSlots('subject_export');
  readonly #stopping = new AbortController();

  constructor(
    private readonly manage: Manage,
    private readonly facts: FactBus,
    private readonly limits: StreamLimits,
  ) {}

  /** Exports in progress end after the page in flight. */
  onModuleDestroy(): void {
    this.#stopping.abort();
  }

  /**
   * @param checkKey throws a Problem when the key of the client does not permit the export any more: the export ends then
   * @returns the subjects as NDJSON, in the order of their ids. A fault ends them with a problem as the last line
   * @throws Problem quota-exceeded when too many exports run; what {@link Manage.read} throws for the first page
   */
  async export(origin: CommandOrigin, tenant: string, checkKey: CheckKey): Promise<Readable> {
    const release = this.#slots.take(tenant);
    try {
      const first = await this.#page(origin, tenant);
      const lines = this.#lines(origin, tenant, first, checkKey);
      const stream = Readable.from(lines, { objectMode: false, highWaterMark: 16_384 });
      const timer = setInterval(
        () =>
          void Promise.resolve()
            .then(checkKey)
            .catch(() => stream.destroy()),
        KEY_CHECK_MS,
      );
      // The stream closes also when it is not read.
      return stream.once('close', () => {
        clearInterval(timer);
        release();
      });
    } catch (error) {
      release();
      throw error;
    }
  }

  async *#lines(origin: CommandOrigin, tenant: string, first: SubjectPage, checkKey: CheckKey): AsyncGenerator<string> {
    let count = 0;
    let isRecorded = false;
    try {
      for (let page = first; ; page = await this.#pageAfter(origin, tenant, page.nextCursor)) {
        await checkKey();
        const isLast = page.nextCursor === null;
        count += page.items.length;
        // No client gets all subjects without an event.
        if (isLast) await this.#record(origin, tenant, { count, isComplete: true });
        isRecorded = isLast;
        yield page.items.map((item) => `${JSON.stringify(item)}\n`).join('');
        if (isLast) return;
      }
    } catch (error) {
      this.limits.logFault(error, 'an export of subjects ended early');
      yield `${JSON.stringify(problemBody(error instanceof Problem ? error : new Problem('unavailable')))}\n`;
    } finally {
      if (!isRecorded)
        await this.#record(origin, tenant, { count, isComplete: false }).catch((error: unknown) => {
          this.limits.logFault(error, 'the event of an export was not published');
        });
    }
  }

  async #pageAfter(origin: CommandOrigin, tenant: string, cursor: string | null): Promise<SubjectPage> {
    const { signal } = this.#stopping;
    for (const pause of RETRY_PAUSES_MS) {
      signal.throwIfAborted();
      try {
        return await this.#page(origin, tenant, cursor);
      } catch (error) {
        if (!(error instanceof ServiceError && error.retriable)) throw error;
        await delay(pause, undefined, { signal });
      }
    }
    return this.#page(origin, tenant, cursor);
  }

  #page({ actor }: CommandOrigin, tenant: string, cursor?: string | null): Promise<SubjectPage> {
    const command = { commandId: `rest-${randomUUID()}`, actor, tenant, limit: MAX_PAGE_SIZE };
    return this.manage.read<SubjectPage>(message(SubjectListRequested, { ...command, ...(cursor && { cursor }) }));
  }

  #record(
    { commandId, actor }: CommandOrigin,
    tenant: string,
    detail: { readonly count: number; readonly isComplete: boolean },
  ): Promise<void> {
    const fields = { tenant, commandId, actor, channel: 'rest', detail } as const;
    return this.facts.publish([{ message: factRecorded('subjects.exported', new Date(), fields) }]);
  }
}
