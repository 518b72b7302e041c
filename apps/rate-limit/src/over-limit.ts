import { type LimitDimension } from '@countersign/contracts';
import { RecentIds } from '@countersign/service';
import { REPEAT_SECONDS, type Check, type Question } from './domain/decide.js';
import { burstOf } from './domain/gcra.js';
import { type Rule } from './domain/rule.js';

interface Entry {
  readonly until: number;
  readonly rule: Rule;
  readonly met: ReadonlySet<string> | undefined;
  readonly passed: ReadonlySet<string> | undefined;
  /** From then on one request asks the store again. */
  asksAgainAt: number;
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
/** How long a command is known to have passed, at least. */
const COMMAND_MS = REPEAT_SECONDS * 1000;
/** How often the store is asked about a key that is over its limit, in milliseconds: another copy may have given back. */
const HOLD_MS = 5_000;

/**
 * Keys over their limit, until they may return: of a flood of refused requests one in {@link HOLD_MS} asks the database. It
 * only ever refuses, what it has forgotten is decided anew, and it survives nothing.
 */
export class OverLimit {
  readonly #entries = new Map<string, Entry>();
  readonly #passed = new RecentIds(COMMAND_MS, MOST_COMMANDS);
  #generation = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** Changes with everything that is forgotten: a refusal that was decided before must not be remembered after. */
  get generation(): number {
    return this.#generation;
  }

  /** The strictest of the limits that are known to be reached; undefined: the store has to decide. */
  find(question: Question, now: number): Remembered | undefined {
    // What was let through is answered again for free, also while its caller is over a limit: the store knows.
    if (this.#passed.has(question.command)) return undefined;
    let found: Remembered | undefined;
    const due: Entry[] = [];
    for (const check of question.checks) {
      if (check.shadow) continue;
      for (const name of namesOf(check, question)) {
        const entry = this.#entries.get(name);
        if (entry === undefined || entry.met?.has(question.member)) continue;
        // This copy may be younger than the command, or have taken its partition over.
        if (entry.passed?.has(question.command)) continue;
        if (entry.until <= now || !isSame(entry.rule, check.rule)) this.#entries.delete(name);
        else if (entry.asksAgainAt <= now) due.push(entry);
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
    if (found === undefined) for (const entry of due) entry.asksAgainAt = now + HOLD_MS;
    return found;
  }

  /**
   * Remembers the limit that has refused, in place of what was known to refuse this request.
   * @param generation what {@link generation} was before the store was asked
   */
  refused(question: Question, { dimension, retryMs, met, passed }: Remembered, now: number, generation: number): void {
    // The time of its repetition is over.
    this.#passed.delete(question.command);
    this.#drop(question);
    const check = question.checks.find((one) => one.dimension === dimension);
    if (check === undefined || generation !== this.#generation) return;
    const [ofKey, ofMember] = namesOf(check, question);
    const name = met === undefined ? ofMember : ofKey;
    if (this.#entries.size >= MOST_KEYS && !this.#entries.has(name)) {
      for (const first of this.#entries.keys()) {
        this.#entries.delete(first);
        break;
      }
    }
    this.#entries.set(name, {
      ...{ until: now + retryMs, rule: check.rule, asksAgainAt: now + HOLD_MS },
      ...{ met: met && new Set(met), passed: passed && new Set(passed) },
    });
  }

  /** Remembers that a command was let through; what was known to refuse it stands no more, unless it is a repetition. */
  admitted(question: Question, now: number): void {
    if (!this.#isRepeated(question)) this.#drop(question);
    this.#passed.add(question.command, now);
  }

  /** What a request has spent was given back: it is decided anew, and so is whatever shares a counter with it. */
  givenBack(question: Question): void {
    this.#generation++;
    this.#passed.delete(question.command);
    this.#drop(question);
  }

  /** Something was set or reset: everything is decided anew. */
  forget(): void {
    this.#generation++;
    this.#entries.clear();
  }

  #isRepeated(question: Question): boolean {
    const { command, checks } = question;
    const entries = checks.flatMap((check) => namesOf(check, question)).map((name) => this.#entries.get(name));
    return this.#passed.has(command) || entries.some((entry) => entry?.passed?.has(command));
  }

  /** Forgets what would refuse this request, not what refuses others whom its caller names. */
  #drop(question: Question): void {
    for (const check of question.checks) {
      for (const name of namesOf(check, question)) {
        if (this.#entries.get(name)?.met?.has(question.member) !== true) this.#entries.delete(name);
      }
    }
  }
}

/** As long as it is not known whom a caller has met, only the one that was refused is: by a name of its own. */
function namesOf({ dimension, key }: Check, { member }: Question): readonly [ofKey: string, ofMember: string] {
  const ofKey = `${dimension}:${key}`;
  return [ofKey, dimension === 'subjectsPerCaller' ? `${ofKey}:${member}` : ofKey];
}

function isSame(a: Rule, b: Rule): boolean {
  return a.limit === b.limit && a.periodSeconds === b.periodSeconds && burstOf(a) === burstOf(b);
}
