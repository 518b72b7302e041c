/**
 * Waits until a condition holds, looking every few milliseconds; the only way in which a test waits.
 * @param what the promise that is waited for; shown when it is not kept in time
 * @returns what the condition returned, when that is neither false nor undefined
 */
export async function eventually<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = 10_000,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const result = await condition();
    if (result !== undefined && result !== false) return result;
    if (Date.now() > deadline) throw new Error(`Not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}
