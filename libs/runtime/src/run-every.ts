/**
 * Runs work at an interval, and never twice at once. After a failure, the next run tries again.
 * @param onError receives the error of a failed run
 * @returns a function that ends it and waits for a run in progress
 */
export function runEvery(
  intervalMs: number,
  work: () => Promise<unknown>,
  onError: (error: unknown) => void,
): () => Promise<void> {
  let running: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    try {
      await work();
    } catch (error) {
      onError(error);
    } finally {
      running = undefined;
    }
  };
  const timer = setInterval(() => {
    running ??= run();
  }, intervalMs);
  return async () => {
    clearInterval(timer);
    await running;
  };
}
