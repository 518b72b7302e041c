/** What a batch may hold. */
export interface BatchLimits<T> {
  /** Sum of the weights of its items. */
  readonly maxWeight: number;
  readonly weightOf: (item: T) => number;
  /** A batch is not held back longer than this when no item follows, in milliseconds. */
  readonly lingerMs: number;
  /** The longest wait for the first item of a batch, in milliseconds. */
  readonly idleMs: number;
  /** Stops the wait. */
  readonly signal: AbortSignal;
}

/**
 * Gathers items into batches. Each batch has at least one item.
 * @throws Error when no item comes in time, or the signal is aborted
 */
export async function* gather<T>(items: AsyncIterator<T>, limits: BatchLimits<T>): AsyncGenerator<T[]> {
  const { maxWeight, weightOf, lingerMs, idleMs, signal } = limits;
  let batch: T[] = [];
  let weight = 0;
  let next = items.next();
  try {
    for (;;) {
      const came = await within(next, batch.length > 0 ? lingerMs : idleMs, signal);
      if (signal.aborted) throw new Error('the service is stopping');
      if (came === undefined && batch.length === 0) throw new Error('no line came in time');
      const isFull = came?.done !== true && came !== undefined && weight + weightOf(came.value) > maxWeight;
      if (batch.length > 0 && (came === undefined || came.done === true || isFull)) {
        yield batch;
        [batch, weight] = [[], 0];
      }
      if (came === undefined) continue;
      if (came.done === true) return;
      batch.push(came.value);
      weight += weightOf(came.value);
      next = items.next();
    }
  } finally {
    next.catch(() => undefined);
    // Not awaited: the generator may wait for a body that never comes.
    void items.return?.()?.catch(() => undefined);
  }
}

/** Undefined after the time, or when the signal is aborted. */
async function within<T>(promise: Promise<T>, ms: number, signal: AbortSignal): Promise<T | undefined> {
  let stop: (() => void) | undefined;
  const limit = new Promise<undefined>((resolve) => {
    const timer = setTimeout(() => resolve(undefined), ms);
    stop = () => {
      clearTimeout(timer);
      resolve(undefined);
    };
    signal.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    stop?.();
    if (stop) signal.removeEventListener('abort', stop);
  }
}
