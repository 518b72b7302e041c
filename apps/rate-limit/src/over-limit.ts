import { type LimitDimension } from '@countersign/contracts';
import { RecentIds } from '@countersign/service';
import { type Check, type Question } from './domain/decide.js';

interface Entry {
  readonly until: number;
  readonly limit: number;
  readonly periodSeconds: number;
  readonly met: ReadonlySet<string> | undefined;
  readonly passed: ReadonlySet<string> | undefined;
}

/** A limit that is reached, and for how many milliseconds from now. */
export interface Remembered {
  readonly dimension: LimitDimension;
  readonly retryMs: number;
  /** Of `subjectsPerCaller`: the members whom the caller may go on asking about; undefined: all but this one are asked. */
  readonly met?: readonly string[];
  /** Of `caller` and `call`: the caller's commands that were let through, here or by another copy. */
  readonly passed?: readonly string[];
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
  readonly #passed = new RecentIds(COMMAND_MS, MOST_COMMANDS);

  get size(): number {
    return this.#entries.size;
  }

  /** The strictest of the limits that are known to be reached; undefined: the store has to decide. */
  find(question: Question, now: number): Remembered | undefined {
    // What was let through is answered again for free, also while its caller is over a limit: the store knows.
    if (this.#passed.has(question.command)) return undefined;
    let found: Remembered | undefined;
    for (const check of question.checks) {
      if (check.shadow) continue;
      for (const name of namesOf(check, question)) {
        const entry = this.#entries.get(name);
        if (entry === undefined || entry.met?.has(question.member)) continue;
        // This copy may be younger than the command, or have taken its partition over.
        if (entry.passed?.has(question.command)) continue;
        const { limit, periodSeconds } = check.rule;
        const holds = entry.until > now && entry.limit === limit && entry.periodSeconds === periodSeconds;
        if (!holds) this.#entries.delete(name);
        else if (found === undefined || entry.until - now > found.retryMs) {
          const { dimension } = check;
          const { met, passed } = entry;
          found = {
            ...{ dimension, retryMs: entry.until - now },
            ...{ ...(met && { met: [...met] }), ...(passed && { passed: [...passed] }) },
          };
        }
      }
    }
    return found;
  }

  /** Remembers the limit that has refused. */
  refused(question: Question, { dimension, retryMs, met, passed }: Remembered, now: number): void {
    const check = question.checks.find((one) => one.dimension === dimension);
    if (check === undefined) return;
    const [ofKey, ofMember] = namesOf(check, question);
    const name = met === undefined ? ofMember : ofKey;
    if (this.#entries.size >= MOST_KEYS && !this.#entries.has(name)) {
      for (const first of this.#entries.keys()) {
        this.#entries.delete(first);
        break;
      }
    }
    const { limit, periodSeconds } = check.rule;
    this.#entries.set(name, {
      until: now + retryMs,
      limit,
      periodSeconds,
      met: met && new Set(met),
      passed: passed && new Set(passed),
    });
  }

  /** Remembers that a command was let through. */
  admitted({ command }: Question, now: number): void {
    this.#passed.add(command, now);
  }

  /** Something was set, reset or given back: everything is decided anew. */
  forget(): void {
    this.#entries.clear();
  }
}

/** As long as it is not known whom a caller has met, only the one that was refused is: by a name of its own. */
function namesOf({ dimension, key }: Check, { member }: Question): readonly [ofKey: string, ofMember: string] {
  const ofKey = `${dimension}:${key}`;
  return [ofKey, dimension === 'subjectsPerCaller' ? `${ofKey}:${member}` : ofKey];
}
