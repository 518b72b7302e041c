import { type LimitDimension } from '@countersign/contracts';
import { RecentIds } from '@countersign/runtime';
import { MAX_REPEAT_SECONDS, type LimitCheck, type LimitRequest } from '../limits/limit.decision.js';
import { burstOf } from '../limits/gcra.decision.js';
import { type LimitRule } from '../limits/rule.decision.js';

interface Entry {
  readonly until: number;
  readonly rule: LimitRule;
  readonly admittedSubjects: ReadonlySet<string> | undefined;
  readonly admittedCommands: ReadonlySet<string> | undefined;
  /** From then on one request asks the store again. */
  asksAgainAt: number;
}

/** A limit that is reached, and for how many milliseconds from now. */
export interface ReachedLimit {
  readonly dimension: LimitDimension;
  readonly retryAfterMs: number;
  /** Of `subjectsPerCaller`: the members whom the caller may go on asking about; undefined: all but this one are asked. */
  readonly admittedSubjects?: readonly string[];
  /** Of `caller` and `call`: the caller's commands that were let through, here or by another copy. */
  readonly admittedCommands?: readonly string[];
}

/** Keys at most; the one that was added first makes room. */
const MOST_KEYS = 50_000;
/** Commands at most of each of the two generations. */
const MOST_COMMANDS = 50_000;
/** How long a command is known to have passed, at least. */
const COMMAND_MS = MAX_REPEAT_SECONDS * 1000;
/** How often the store is asked about a key that is over its limit, in milliseconds: another copy may have given back. */
const HOLD_MS = 5_000;

/**
 * Keys over their limit, until they may return: of a flood of refused requests one in {@link HOLD_MS} asks the database. It
 * only ever refuses, what it has forgotten is decided anew, and it survives nothing.
 */
export class LimiterRefusalCache {
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
  find(question: LimitRequest, now: number): ReachedLimit | undefined {
    // What was let through is answered again for free, also while its caller is over a limit: the store knows.
    if (this.#passed.has(question.command)) return undefined;
    let found: ReachedLimit | undefined;
    const due: Entry[] = [];
    for (const check of question.checks) {
      if (check.shadow) continue;
      for (const name of namesOf(check, question)) {
        const entry = this.#entries.get(name);
        if (entry === undefined || entry.admittedSubjects?.has(question.member)) continue;
        // This copy may be younger than the command, or have taken its partition over.
        if (entry.admittedCommands?.has(question.command)) continue;
        if (entry.until <= now || !isSame(entry.rule, check.rule)) this.#entries.delete(name);
        else if (entry.asksAgainAt <= now) due.push(entry);
        else if (found === undefined || entry.until - now > found.retryAfterMs) {
          const { dimension } = check;
          const { admittedSubjects: met, admittedCommands: passed } = entry;
          found = {
            ...{ dimension, retryAfterMs: entry.until - now },
            ...{ ...(met && { admittedSubjects: [...met] }), ...(passed && { admittedCommands: [...passed] }) },
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
  refused(
    question: LimitRequest,
    { dimension, retryAfterMs: retryAfterMs, admittedSubjects: met, admittedCommands: passed }: ReachedLimit,
    now: number,
    generation: number,
  ): void {
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
      ...{ until: now + retryAfterMs, rule: check.rule, asksAgainAt: now + HOLD_MS },
      ...{ admittedSubjects: met && new Set(met), admittedCommands: passed && new Set(passed) },
    });
  }

  /** Remembers that a command was let through; what was known to refuse it stands no more, unless it is a repetition. */
  admitted(question: LimitRequest, now: number): void {
    if (!this.#isRepeated(question)) this.#drop(question);
    this.#passed.add(question.command, now);
  }

  /** What a request has spent was given back: it is decided anew, and so is whatever shares a counter with it. */
  refunded(question: LimitRequest): void {
    this.#generation++;
    this.#passed.delete(question.command);
    this.#drop(question);
  }

  /** Something was set or reset: everything is decided anew. */
  clear(): void {
    this.#generation++;
    this.#entries.clear();
  }

  #isRepeated(question: LimitRequest): boolean {
    const { command, checks } = question;
    const entries = checks.flatMap((check) => namesOf(check, question)).map((name) => this.#entries.get(name));
    return this.#passed.has(command) || entries.some((entry) => entry?.admittedCommands?.has(command));
  }

  /** Forgets what would refuse this request, not what refuses others whom its caller names. */
  #drop(question: LimitRequest): void {
    for (const check of question.checks) {
      for (const name of namesOf(check, question)) {
        if (this.#entries.get(name)?.admittedSubjects?.has(question.member) !== true) this.#entries.delete(name);
      }
    }
  }
}

/** As long as it is not known whom a caller has met, only the one that was refused is: by a name of its own. */
function namesOf({ dimension, key }: LimitCheck, { member }: LimitRequest): readonly [ofKey: string, ofMember: string] {
  const ofKey = `${dimension}:${key}`;
  return [ofKey, dimension === 'subjectsPerCaller' ? `${ofKey}:${member}` : ofKey];
}

function isSame(a: LimitRule, b: LimitRule): boolean {
  return a.limit === b.limit && a.periodSeconds === b.periodSeconds && burstOf(a) === burstOf(b);
}
