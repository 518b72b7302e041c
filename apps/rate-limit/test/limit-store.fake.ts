import { type LimitDimension } from '@countersign/contracts';
import { type Clock } from '@countersign/runtime';
import {
  commandKeyOf,
  decideLimits,
  remainingOf,
  NEW_LIMIT_COUNTER,
  type LimitCheck,
  type LimitCounterState,
  type LimitRequest,
} from '../src/limits/limit.decision.js';
import { liveMembers } from '../src/limits/distinct-members.decision.js';
import { emissionIntervalMs } from '../src/limits/gcra.decision.js';
import { EXACT_LIMIT, type LimitRule } from '../src/limits/rule.decision.js';
import { LimitStore, type RemainingQuota, type LimitDecision } from '../src/limits/limits.ports.js';

/** The counters in memory, for tests of use cases. */
export class FakeLimitStore extends LimitStore {
  /** Requests that were decided here. */
  decided = 0;
  readonly #counters = new Map<string, LimitCounterState>();

  constructor(private readonly clock: Clock) {
    super();
  }

  override admit(question: LimitRequest): Promise<LimitDecision> {
    this.decided++;
    const now = this.clock.now();
    const { refusedBy, ...decision } = decideLimits(this.#counters, question, now);
    const leftOf = (dimension: LimitDimension): RemainingQuota | undefined => {
      const check = question.checks.find((one) => one.dimension === dimension);
      return check && decision.admitted ? remainingOf(this.#of(check), now, check.rule) : undefined;
    };
    return Promise.resolve({
      ...decision,
      refusedBy: refusedBy && { dimension: refusedBy.dimension, retryAfterMs: refusedBy.retryAt - now },
      agent: leftOf('agent'),
      tenant: leftOf('tenant'),
    });
  }

  override admittedMembers(key: string, rule: LimitRule): Promise<readonly string[]> {
    return Promise.resolve(liveMembers(this.#counters.get(key) ?? NEW_LIMIT_COUNTER, this.clock.now(), rule));
  }

  override admittedCommands(key: string, withinSeconds: number): Promise<readonly string[]> {
    const { commands, commandsAt } = this.#counters.get(key) ?? NEW_LIMIT_COUNTER;
    const since = this.clock.now() - withinSeconds * 1000;
    return Promise.resolve(commands.filter((_, at) => (commandsAt[at] ?? 0) > since));
  }

  override refund(question: LimitRequest): Promise<boolean> {
    const { checks, command } = question;
    const key = commandKeyOf({ ...question, repeatSeconds: 1 });
    const row = this.#of({ key: key ?? '' });
    const place = row.commands.lastIndexOf(command);
    const at = row.commandsAt[place];
    if (key === undefined || at === undefined) return Promise.resolve(false);
    const [commands, commandsAt] = [row.commands.toSpliced(place, 1), row.commandsAt.toSpliced(place, 1)];
    this.#counters.set(key, { ...row, commands, commandsAt });
    for (const check of checks.filter(({ dimension }) => dimension !== 'subjectsPerCaller')) {
      const counter = this.#of(check);
      const hit = counter.admittedAt.indexOf(at);
      // A request over a shadow limit of its caller has no entry in the list, and used nothing of the rate.
      const ofRate = check.rule.limit > EXACT_LIMIT && (hit >= 0 || check.dimension !== 'caller');
      const tat = ofRate ? Math.max(0, counter.tat - emissionIntervalMs(check.rule)) : counter.tat;
      this.#counters.set(check.key, {
        ...counter,
        tat,
        admittedAt: hit < 0 ? counter.admittedAt : counter.admittedAt.toSpliced(hit, 1),
      });
    }
    return Promise.resolve(true);
  }

  /** What the override store does in the transaction of the fact. */
  reset(dimension: LimitDimension, keys: readonly string[]): void {
    for (const key of keys) this.#reset(dimension, key);
  }

  #reset(dimension: LimitDimension, key: string): void {
    const counter = this.#counters.get(key) ?? NEW_LIMIT_COUNTER;
    const { members, membersAt, membersTat, admittedAt, commands, commandsAt, tat } = NEW_LIMIT_COUNTER;
    const reset =
      dimension === 'subjectsPerCaller'
        ? { members, membersAt, membersTat }
        : { admittedAt, commands, commandsAt, tat };
    this.#counters.set(key, { ...counter, ...reset });
  }

  /** Removes nothing: the fake lives as long as one test. */
  override purge(): Promise<void> {
    return Promise.resolve();
  }

  override remaining(limits: readonly { readonly key: string; readonly rule: LimitRule }[]): Promise<RemainingQuota[]> {
    return Promise.resolve(limits.map((one) => remainingOf(this.#of(one), this.clock.now(), one.rule)));
  }

  #of({ key }: Pick<LimitCheck, 'key'>): LimitCounterState {
    return this.#counters.get(key) ?? NEW_LIMIT_COUNTER;
  }
}
