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

/** Keeps `inFlight` tasks going for `seconds`, and gives the milliseconds of each. */
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
