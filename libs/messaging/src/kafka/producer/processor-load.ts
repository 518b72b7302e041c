import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** The time between two looks, in milliseconds: the kernel counts in steps of 10 ms. */
const LOOK_EVERY_MS = 250;
/** The processors of the machine are busy when they work for this share of the time. */
const BUSY_SHARE = 0.8;
const STAT = '/proc/stat';

/** What the processors of the machine did since its start, in any unit. */
export interface ProcessorTimes {
  readonly idle: number;
  readonly all: number;
}

/**
 * Whether the processors of the machine are busy. Only then is it worthwhile that a record waits for others: while a processor is
 * idle, a record that waits makes a caller wait, and saves work for which there is time.
 */
export class ProcessorLoad {
  #last: ProcessorTimes;
  #lookedAt: number;
  #isBusy = false;

  /**
   * @param read the times of all processors
   * @param now milliseconds
   */
  constructor(
    private readonly read: () => ProcessorTimes = readProcessorTimes,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#last = read();
    this.#lookedAt = now();
  }

  /** As of the last look, which was at most {@link LOOK_EVERY_MS} ago; not busy until the first. */
  isBusy(): boolean {
    const now = this.now();
    if (now - this.#lookedAt < LOOK_EVERY_MS) return this.#isBusy;
    const times = this.read();
    const all = times.all - this.#last.all;
    // Equal times: the system counts nothing.
    this.#isBusy = all > 0 && 1 - (times.idle - this.#last.idle) / all >= BUSY_SHARE;
    this.#last = times;
    this.#lookedAt = now;
    return this.#isBusy;
  }
}

/** Linux counts all processors in the first line of a file, which costs less than the times and names of each. */
function readProcessorTimes(): ProcessorTimes {
  try {
    return timesOf(readFileSync(STAT, 'latin1'));
  } catch {
    const each = cpus().map(({ times }) => times);
    const all = each.reduce((sum, { user, nice, sys, irq, idle }) => sum + user + nice + sys + irq + idle, 0);
    return { all, idle: each.reduce((sum, { idle }) => sum + idle, 0) };
  }
}

/**
 * @param stat text of /proc/stat, see proc_stat(5). Waiting for a disk is idle time; guests are counted in `user` already
 * @throws Error for another text
 */
export function timesOf(stat: string): ProcessorTimes {
  const fields = /^cpu +((?:\d+ ?){8})/.exec(stat)?.[1]?.trim().split(' ').map(Number);
  if (fields === undefined) throw new Error('this is not /proc/stat');
  const [, , , idle = 0, waiting = 0] = fields;
  return { idle: idle + waiting, all: fields.reduce((sum, value) => sum + value, 0) };
}
