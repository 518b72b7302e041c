import { type Cell } from './measure.js';

export interface Extent {
  /** Everything, or only as much as `npm test` has time for. */
  readonly full: boolean;
  /** How often the fault is to be done. */
  readonly runs: number;
}

/** Something that goes wrong while the product works. */
export interface Fault {
  /** As in the table. */
  readonly name: string;
  /** Whether `npm test` does it too. */
  readonly short: boolean;
  /** False: only there, because the whole matrix does the same more thoroughly. */
  readonly full?: boolean;
  /** Brokers of the cluster; default 1. */
  readonly brokers?: 1 | 3;
  /** Does it, and returns how often, when it is over. @throws Error that says what did not behave as promised */
  run(cell: Cell, extent: Extent): Promise<number>;
}

/** The time that a fault lasts; nothing else is waited for in this way. */
export function lasting(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Does something several times, one after the other. */
export async function times(count: number, work: (time: number) => Promise<void>): Promise<number> {
  for (let time = 0; time < count; time++) await work(time);
  return count;
}

/** Does something to each of these, so many at a time, in their order. */
export async function forEach<T>(all: readonly T[], atATime: number, work: (one: T) => Promise<void>): Promise<void> {
  const waiting = [...all];
  const workInTurn = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: atATime }, workInTurn));
}
