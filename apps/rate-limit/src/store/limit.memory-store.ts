import { type LimitDimension } from '@countersign/contracts';
import { type Clock } from '@countersign/service';
import { decide, left, NEW_COUNTER, type Check, type Counter, type Question } from '../domain/decide.js';
import { liveMembers } from '../domain/distinct.js';
import { increment } from '../domain/gcra.js';
import { EXACT_LIMIT, type Rule } from '../domain/rule.js';
import { LimitStore, type Left, type StoreDecision } from '../ports.js';

/** The twin of the PostgreSQL store for tests of use cases. */
export class MemoryLimitStore extends LimitStore {
  /** Requests that were decided here. */
  decided = 0;
  readonly #counters = new Map<string, Counter>();

  constructor(private readonly clock: Clock) {
    super();
  }

  override admit(question: Question): Promise<StoreDecision> {
    this.decided++;
    const now = this.clock.now();
    const { refusedBy, ...decision } = decide(this.#counters, question, now);
    const leftOf = (dimension: LimitDimension): Left | undefined => {
      const check = question.checks.find((one) => one.dimension === dimension);
      return check && decision.admitted ? left(this.#of(check), now, check.rule) : undefined;
    };
    return Promise.resolve({
      ...decision,
      refusedBy: refusedBy && { dimension: refusedBy.dimension, retryMs: refusedBy.retryAt - now },
      agent: leftOf('agent'),
      tenant: leftOf('tenant'),
    });
  }

  override met(key: string, rule: Rule): Promise<readonly string[]> {
    return Promise.resolve(liveMembers(this.#counters.get(key) ?? NEW_COUNTER, this.clock.now(), rule));
  }

  override passed(callerKey: string): Promise<readonly string[]> {
    return Promise.resolve((this.#counters.get(callerKey) ?? NEW_COUNTER).commands);
  }

  override refund({ checks, command }: Question): Promise<boolean> {
    const caller = checks[0] && this.#of(checks[0]);
    const place = caller?.commands.lastIndexOf(command) ?? -1;
    const at = caller?.hits[place];
    if (caller === undefined || checks[0] === undefined || at === undefined) return Promise.resolve(false);
    this.#counters.set(checks[0].key, { ...caller, commands: caller.commands.toSpliced(place, 1) });
    for (const check of checks.filter(({ dimension }) => dimension !== 'subjectsPerCaller')) {
      const counter = this.#of(check);
      const hit = counter.hits.indexOf(at);
      const tat = check.rule.limit > EXACT_LIMIT ? Math.max(0, counter.tat - increment(check.rule)) : counter.tat;
      this.#counters.set(check.key, { ...counter, tat, hits: hit < 0 ? counter.hits : counter.hits.toSpliced(hit, 1) });
    }
    return Promise.resolve(true);
  }

  override reset(dimension: LimitDimension, key: string): Promise<void> {
    const counter = this.#counters.get(key) ?? NEW_COUNTER;
    const { members, seen, membersTat, hits, commands, tat } = NEW_COUNTER;
    const reset = dimension === 'subjectsPerCaller' ? { members, seen, membersTat } : { hits, commands, tat };
    this.#counters.set(key, { ...counter, ...reset });
    return Promise.resolve();
  }

  override left(asked: readonly { readonly key: string; readonly rule: Rule }[]): Promise<Left[]> {
    return Promise.resolve(asked.map((one) => left(this.#of(one), this.clock.now(), one.rule)));
  }

  #of({ key }: Pick<Check, 'key'>): Counter {
    return this.#counters.get(key) ?? NEW_COUNTER;
  }
}
