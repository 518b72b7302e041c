/** Ages of a fact, in milliseconds since its transaction, until which it waits for others: to be encrypted, then to be added to the log. */
const SEAL_AGE_MS = 250;
const APPEND_AGE_MS = 220;
/** Shortest waits. Facts that arrive late arrive in bursts. */
const MIN_SEAL_WAIT_MS = 20;
const MIN_APPEND_WAIT_MS = 5;
/** The clock of a fact can differ from this one. */
const MAX_WAIT_MS = 200;

/**
 * How long a fact waits for others to share a statement, in milliseconds. By its age, so the delay of an event stays the same
 * whether the fact waited in an outbox or waits here.
 * @param time of the fact, ISO 8601
 * @param now milliseconds since 1970
 */
export const sealWaitMs = (time: string, now: number): number => waitMs(time, now, SEAL_AGE_MS, MIN_SEAL_WAIT_MS);

/** As {@link sealWaitMs}. A fact that was encrypted has waited already, and brings those that need no encryption with it. */
export const appendWaitMs = (time: string, now: number): number => waitMs(time, now, APPEND_AGE_MS, MIN_APPEND_WAIT_MS);

function waitMs(time: string, now: number, age: number, minimum: number): number {
  const rest = Date.parse(time) + age - now;
  // ISO 8601 has forms that JavaScript does not read. A wait of NaN would never end, for the facts that share the batch too.
  return Number.isNaN(rest) ? minimum : Math.min(MAX_WAIT_MS, Math.max(minimum, rest));
}
