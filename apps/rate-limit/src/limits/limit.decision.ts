import { type LimitDimension } from '@countersign/contracts';
import { checkDistinct, isLive, spendDistinct, type DistinctMembers } from './distinct-members.decision.js';
import { burstOf, checkGcra, remainingOfGcra, spendGcra } from './gcra.decision.js';
import { reachesNearLimit, EXACT_LIMIT, type LimitRule, type RuleResult } from './rule.decision.js';
import { checkLog, hitAt, keepNewest } from './sliding-log.decision.js';

/** Everything that is remembered of one key. */
export interface LimitCounterState extends DistinctMembers {
  /** When the newest were let through, oldest first, in milliseconds since 1970. */
  readonly hits: readonly number[];
  /** The newest commands that were admitted and are held here, oldest first; see {@link commandKeyOf}. */
  readonly commands: readonly string[];
  /** When each of them was, in milliseconds since 1970; as long as `commands`. */
  readonly commandsAt: readonly number[];
  /** Theoretical arrival time of the rate, for limits that are not exact; 0: none. */
  readonly tat: number;
}

export const NEW_LIMIT_COUNTER: LimitCounterState = {
  ...{ hits: [], commands: [], commandsAt: [], tat: 0 },
  ...{ members: [], seen: [], membersTat: 0 },
};

/** One limit that a request has to pass. */
export interface LimitCheck {
  readonly dimension: LimitDimension;
  /** Keyed hash of what is counted. `caller` and `subjectsPerCaller` of one request have the same. */
  readonly key: string;
  readonly rule: LimitRule;
  /** Decides and reports, and refuses nothing. */
  readonly shadow: boolean;
}

/** The longest time for which a command is known to have passed, in seconds: what an Idempotency-Key is good for. */
export const MAX_REPEAT_SECONDS = 86_400;

/** One request, as the limiter sees it. */
export interface LimitRequest {
  /** In the order of the dimensions. */
  readonly checks: readonly LimitCheck[];
  /** Hash of the command's id. */
  readonly command: string;
  /**
   * For how long the same command passes again for free: as long as its answer is kept. At most {@link MAX_REPEAT_SECONDS}; 0:
   * each time that it comes it counts.
   */
  readonly repeatSeconds: number;
  /** Hash of the subject that the caller asks about; anything where there is no limit of subjects. */
  readonly member: string;
}

/** What a limit that is refused, or only reported, says. */
export interface LimitRefusal {
  readonly dimension: LimitDimension;
  /** The first moment at which this limit lets one more pass, in milliseconds since 1970. */
  readonly retryAt: number;
}

export interface LimitDecisionAt {
  readonly admitted: boolean;
  /** The limit that lets one more pass last of all that refuse; undefined when admitted. */
  readonly refusedBy: LimitRefusal | undefined;
  /** Limits in shadow mode that would have refused. */
  readonly shadowRefusals: readonly LimitDimension[];
  /** Limits of which this request uses the first part above 80 %. */
  readonly nearLimit: readonly LimitDimension[];
}

/**
 * One decision over all limits of a request. All or nothing: who is refused by one spends none. A command that was
 * admitted passes again for free as long as its answer is kept, if it is among the newest {@link EXACT_LIMIT} of its row. The
 * strictest is told: before it nothing can pass.
 * The store's SQL function is held equal to this one by the contract suite.
 * @param counters is changed when the request is let through
 */
export function decideLimits(
  counters: Map<string, LimitCounterState>,
  question: LimitRequest,
  now: number,
): LimitDecisionAt {
  const of = (key: string): LimitCounterState => counters.get(key) ?? NEW_LIMIT_COUNTER;
  const verdicts = question.checks.map((check) => ({ check, verdict: checkOne(of(check.key), question, check, now) }));
  const commandKey = commandKeyOf(question);
  if (commandKey !== undefined && isRepeated(of(commandKey), question, now)) {
    return { admitted: true, refusedBy: undefined, shadowRefusals: [], nearLimit: [] };
  }
  const over = verdicts.filter(({ verdict }) => !verdict.admitted);
  const refusing = over
    .filter(({ check }) => !check.shadow)
    .map(({ check, verdict }) => ({ dimension: check.dimension, retryAt: verdict.retryAt ?? now }));
  const shadowed = over.filter(({ check }) => check.shadow).map(({ check }) => check.dimension);
  const strictest = refusing.reduce<LimitRefusal | undefined>(
    (last, one) => (last === undefined || one.retryAt > last.retryAt ? one : last),
    undefined,
  );
  if (strictest) return { admitted: false, refusedBy: strictest, shadowRefusals: shadowed, nearLimit: [] };
  const passed = verdicts.filter(({ verdict }) => verdict.admitted);
  for (const { check } of passed) counters.set(check.key, spendOne(of(check.key), question, check, now));
  // Also where a limit that only reports would have refused: the repetition is free, and can be given back.
  if (commandKey !== undefined) {
    counters.set(commandKey, { ...of(commandKey), ...withCommand(of(commandKey), question, now) });
  }
  const near = passed
    .filter(({ check, verdict }) => verdict.used >= 0 && reachesNearLimit(verdict.used, mostOf(check.rule)))
    .map(({ check }) => check.dimension);
  return { admitted: true, refusedBy: undefined, shadowRefusals: shadowed, nearLimit: near };
}

/** What is left of a limit, for whoever asks for it. */
export function remainingOf(
  counter: Pick<LimitCounterState, 'hits' | 'tat'>,
  now: number,
  rule: LimitRule,
): { remaining: number; resetMs: number } {
  if (rule.limit > EXACT_LIMIT) return remainingOfGcra(counter.tat, now, rule);
  const live = counter.hits.filter((at) => at > now - rule.periodSeconds * 1000);
  const resetMs = live.length === 0 ? 0 : (live.at(-1) ?? now) + rule.periodSeconds * 1000 - now;
  return { remaining: Math.max(0, rule.limit - live.length), resetMs };
}

/** Whose rows hold commands: those of agents and tenants are shared by too many. */
const HOLDS_COMMANDS: readonly LimitDimension[] = ['caller', 'call', 'subject'];

/** The key of the row that holds a command: of its caller, else of its call, else of its subject. Undefined: none does. */
export function commandKeyOf({ checks, repeatSeconds }: LimitRequest): string | undefined {
  if (repeatSeconds === 0) return undefined;
  return checks.find(({ dimension }) => HOLDS_COMMANDS.includes(dimension))?.key;
}

function mostOf(rule: LimitRule): number {
  return rule.limit > EXACT_LIMIT ? burstOf(rule) : rule.limit;
}

function isRepeated(row: LimitCounterState, { command, repeatSeconds }: LimitRequest, now: number): boolean {
  const at = row.commandsAt[row.commands.lastIndexOf(command)];
  return at !== undefined && at > now - repeatSeconds * 1000;
}

function checkOne(
  counter: LimitCounterState,
  { member }: LimitRequest,
  { dimension, rule }: LimitCheck,
  now: number,
): RuleResult {
  if (dimension === 'subjectsPerCaller') {
    const verdict = checkDistinct(counter, member, now, rule);
    // Who is in the window already brings the limit no nearer.
    return isLive(counter, member, now, rule) ? { ...verdict, used: -1 } : verdict;
  }
  return rule.limit > EXACT_LIMIT ? checkGcra(counter.tat, now, rule) : checkLog(counter.hits, now, rule);
}

function spendOne(
  counter: LimitCounterState,
  question: LimitRequest,
  { dimension, rule }: LimitCheck,
  now: number,
): LimitCounterState {
  if (dimension === 'subjectsPerCaller') return { ...counter, ...spendDistinct(counter, question.member, now, rule) };
  const exact = rule.limit <= EXACT_LIMIT;
  return {
    ...counter,
    ...(exact || dimension === 'caller' ? { hits: keepNewest([...counter.hits, hitAt(counter.hits, now)]) } : {}),
    ...(exact ? {} : { tat: spendGcra(counter.tat, now, rule) }),
  };
}

function withCommand(
  { commands, commandsAt }: LimitCounterState,
  { command }: LimitRequest,
  now: number,
): Pick<LimitCounterState, 'commands' | 'commandsAt'> {
  return {
    commands: keepNewest([...commands, command]),
    commandsAt: keepNewest([...commandsAt, hitAt(commandsAt, now)]),
  };
}
