/** The value below which `share` of the sorted values lie. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

export function median(values: readonly number[]): number {
  return percentile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** Milliseconds, in any order. */
export function latency(values: readonly number[]): Latency {
  const sorted = [...values].sort((a, b) => a - b);
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
}

/** Keeps `inFlight` tasks running for `seconds`. @returns the milliseconds of each */
export async function keepInFlight(
  inFlight: number,
  seconds: number,
  task: (n: number) => Promise<void>,
): Promise<number[]> {
  const end = performance.now() + seconds * 1000;
  const times: number[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (performance.now() < end) {
        const begun = performance.now();
        await task(next++);
        times.push(performance.now() - begun);
      }
    }),
  );
  return times;
}

/** The times of tasks that were begun at a fixed rate. */
export interface PacedTimes {
  /** Milliseconds of each, since the moment at which it was due. */
  readonly times: readonly number[];
  /** Not begun, because too many were in flight. */
  readonly skipped: number;
  /** From the first beginning to the last end. */
  readonly elapsedMs: number;
}

/**
 * Begins tasks at a fixed rate, however long each takes: unlike {@link keepInFlight}, slow answers do not delay the next task.
 * @param most tasks in flight at a time; a task that is due beyond it is skipped and counted
 */
export async function atRate(
  perSecond: number,
  seconds: number,
  most: number,
  task: (n: number) => Promise<void>,
): Promise<PacedTimes> {
  const begun = performance.now();
  const inFlight = new Set<Promise<void>>();
  const times: number[] = [];
  let skipped = 0;
  for (let n = 0; n < perSecond * seconds; n++) {
    const due = begun + (n * 1000) / perSecond;
    const wait = due - performance.now();
    // Answers are read even while tasks begin late.
    await new Promise<void>((resolve) => (wait > 0 ? setTimeout(resolve, wait) : setImmediate(resolve)));
    if (inFlight.size >= most) {
      skipped++;
      continue;
    }
    const one = task(n).then(() => {
      times.push(performance.now() - due);
      inFlight.delete(one);
    });
    inFlight.add(one);
  }
  await Promise.all(inFlight);
  return { times, skipped, elapsedMs: performance.now() - begun };
}
