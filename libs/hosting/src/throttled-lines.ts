import { type Clock } from '@countersign/runtime';

/** Shortest time between two lines, in milliseconds. */
const PAUSE_MS = 5_000;

/**
 * Writes at most one line every five seconds, with the number of lines omitted before it. A client library logs the same line
 * about an unreachable broker many times per second.
 */
export function throttledLines(write: (line: string) => void, clock: Clock): (line: string) => void {
  let nextLineAt = 0;
  let omitted = 0;
  return (line) => {
    const now = clock.now();
    if (now < nextLineAt) {
      omitted++;
      return;
    }
    write(omitted === 0 ? line : `${line} (and ${omitted} lines like it)`);
    nextLineAt = now + PAUSE_MS;
    omitted = 0;
  };
}
