import { type Clock } from '@countersign/runtime';

/** Shortest time between two lines, in milliseconds. */
const PAUSE_MS = 5_000;

/**
 * Passes on at most one line every five seconds, with the number of those that were left out before it. A client library says
 * the same about an unreachable broker many times a second.
 */
export function throttledLines(write: (line: string) => void, clock: Clock): (line: string) => void {
  let openAt = 0;
  let omitted = 0;
  return (line) => {
    const now = clock.now();
    if (now < openAt) {
      omitted++;
      return;
    }
    write(omitted === 0 ? line : `${line} (and ${omitted} lines like it)`);
    openAt = now + PAUSE_MS;
    omitted = 0;
  };
}
