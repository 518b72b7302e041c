import { Clock } from '@countersign/runtime';

/** A clock that moves only when a test sets it. */
export class ManualClock extends Clock {
  #now = Date.parse('2026-01-01T00:00:00Z');

  override now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
  }
}
