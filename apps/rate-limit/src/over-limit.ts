import { type LimitDimension } from '@countersign/contracts';
import { type Check, type Question } from './domain/decide.js';

interface Entry {
  readonly until: number;
  readonly limit: number;
  readonly periodSeconds: number;
}

/** A limit that is remembered as reached, and for how many milliseconds from now. */
export interface Remembered {
  readonly dimension: LimitDimension;
  readonly retryMs: number;
}

/** Keys at most; the one that was added first makes room. */
const MOST_KEYS = 50_000;
/** Commands at most of each of the two generations. */
const MOST_COMMANDS = 50_000;
/** How long a command is known to have passed, at least: as long as a platform delivers it again. */
const COMMAND_MS = 60_000;

/**
 * Keys over their limit, until they may return: a flood of refused requests asks no database. It only ever refuses, what
 * it has forgotten is decided anew, and it survives nothing.
 */
export class OverLimit {
  readonly #entries = new Map<string, Entry>();
  #commands = new Set<string>();
  #older = new Set<string>();
  #turned = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** The strictest of the limits that are known to be reached; undefined: the store has to decide. */
  find(question: Question, now: number): Remembered | undefined {
    // What was let through is answered again for free, also while its caller is over a limit: the store knows.
    if (this.#commands.has(question.command) || this.#older.has(question.command)) return undefined;
    let found: Remembered | undefined;
    for (const check of question.checks) {
      if (check.shadow) continue;
      const name = nameOf(check, question);
      const entry = this.#entries.get(name);
      if (entry === undefined) continue;
      const { limit, periodSeconds } = check.rule;
      const holds = entry.until > now && entry.limit === limit && entry.periodSeconds === periodSeconds;
      if (!holds) this.#entries.delete(name);
      else if (found === undefined || entry.until - now > found.retryMs) {
        found = { dimension: check.dimension, retryMs: entry.until - now };
      }
    }
    return found;
  }

  /** Remembers the limit that has refused. */
  refused(question: Question, { dimension, retryMs }: Remembered, now: number): void {
    const check = question.checks.find((one) => one.dimension === dimension);
    if (check === undefined) return;
    const name = nameOf(check, question);
    if (this.#entries.size >= MOST_KEYS && !this.#entries.has(name)) {
      for (const first of this.#entries.keys()) {
        this.#entries.delete(first);
        break;
      }
    }
    const { limit, periodSeconds } = check.rule;
    this.#entries.set(name, { until: now + retryMs, limit, periodSeconds });
  }

  /** Remembers that a command was let through. */
  admitted({ command }: Question, now: number): void {
    if (now - this.#turned > COMMAND_MS || this.#commands.size >= MOST_COMMANDS) {
      this.#older = this.#commands;
      this.#commands = new Set();
      this.#turned = now;
    }
    this.#commands.add(command);
  }

  /** Something was set, reset or given back: everything is decided anew. */
  forget(): void {
    this.#entries.clear();
  }
}

/** Whom a caller has met already is let through although the caller may meet no others. */
function nameOf({ dimension, key }: Check, { member }: Question): string {
  return dimension === 'subjectsPerCaller' ? `${dimension}:${key}:${member}` : `${dimension}:${key}`;
}
