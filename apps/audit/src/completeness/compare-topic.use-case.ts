import { Injectable } from '@nestjs/common';
import { Clock } from '@countersign/runtime';
import { DifferenceRecords, ReadBackEntries } from './completeness.ports.js';

/** An entry is published and read back within this time, in milliseconds. */
const IN_TRANSIT_MS = 30_000;

/** Compares the entries of the log with those that were read back from the topic. */
@Injectable()
export class CompareTopic {
  /** Sizes of the log at the last runs, oldest first. */
  readonly #sizes: { readonly at: number; readonly size: number }[] = [];

  constructor(
    private readonly published: ReadBackEntries,
    private readonly records: DifferenceRecords,
    private readonly clock: Clock,
  ) {}

  /** Compares what the log had some time ago. @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  async compare(): Promise<void> {
    const now = this.clock.now();
    this.#sizes.push({ at: now, size: await this.published.logSize() });
    while ((this.#sizes[1]?.at ?? now) <= now - IN_TRANSIT_MS) this.#sizes.shift();
    const [settled] = this.#sizes;
    if (settled === undefined || settled.at > now - IN_TRANSIT_MS) return;
    await this.records.replaceOfTopic(await this.published.differences(settled.size));
  }
}
