import { type LimitDimension } from '@countersign/contracts';
import { checkDistinct, isLive, spendDistinct, type DistinctMembers } from './distinct-members.decision.js';
import { burstOf, checkGcra, remainingOfGcra, spendGcra } from './gcra.decision.js';
import { reachesNearLimit, EXACT_LIMIT, type LimitRule, type RuleResult } from './rule.decision.js';
import { checkLog, countedAt, keepNewest } from './sliding-log.decision.js';

/** The stored state of one key. */
export interface LimitCounterState extends DistinctMembers {
  /** Times of the newest admitted requests, oldest first, in milliseconds since 1970. */
  readonly admittedAt: readonly number[];
  /** The newest admitted commands that are stored under this key, oldest first; see {@link commandKeyOf}. */
  readonly commands: readonly string[];
  /** Time of each of them, in milliseconds since 1970; as long as `commands`. */
  readonly commandsAt: readonly number[];
  /** Theoretical arrival time of the rate, for limits above {@link EXACT_LIMIT}; 0: none. */
  readonly tat: number;
}

export const NEW_LIMIT_COUNTER: LimitCounterState = {
  ...{ admittedAt: [], commands: [], commandsAt: [], tat: 0 },
  ...{ members: [], membersAt: [], membersTat: 0 },
};

/** One limit that must admit a request. */
export interface LimitCheck {
  readonly dimension: LimitDimension;
  /** Keyed hash of what is counted. `caller` and `subjectsPerCaller` of one request share a key. */
  readonly key: string;
  readonly rule: LimitRule;
  /** Shadow mode: decides and reports, and refuses nothing. */
  readonly shadow: boolean;
}

/** The longest time for free repetitions, in seconds: the lifetime of an Idempotency-Key. */
export const MAX_REPEAT_SECONDS = 86_400;

/** One request, as the limiter decides about it. */
export interface LimitRequest {
  /** In the order of the dimensions. */
  readonly checks: readonly LimitCheck[];
  /** Hash of the command id. */
  readonly command: string;
  /**
   * Seconds in which the same command is admitted again and counts nothing: as long as its reply is stored. At most
   * {@link MAX_REPEAT_SECONDS}; 0: every delivery counts.
   */
  readonly repeatSeconds: number;
  /** Hash of the requested subject; any value where no limit of subjects applies. */
  readonly member: string;
}

/** The limit that refuses. */
export interface LimitRefusal {
  readonly dimension: LimitDimension;
  /** The earliest time at which this limit admits another request, in milliseconds since 1970. */
  readonly retryAt: number;
}

export interface LimitDecisionAt {
  readonly admitted: boolean;
  /** Of all refusing limits the one with the longest wait; undefined when admitted. */
  readonly refusedBy: LimitRefusal | undefined;
  /** Limits in shadow mode that would have refused. */
  readonly shadowRefusals: readonly LimitDimension[];
  /** Limits of which this request takes the use to 80 % or more. */
  readonly nearLimit: readonly LimitDimension[];
}

/**
 * One decision over all limits of a request. All or nothing: a request that one limit refuses counts at none. A repetition of
 * an admitted command counts nothing as long as its reply is stored, if it is among the newest {@link EXACT_LIMIT} of its key.
 * Reports the limit with the longest wait, because no earlier request can be admitted. The contract suite holds the SQL
 * function of the store equal to this function.
 * @param counters changed when the request is admitted
 */
export function decideLimits(
  counters: Map<string, LimitCounterState>,
  request: LimitRequest,
  now: number,
): LimitDecisionAt {
  const of = (key: string): LimitCounterState => counters.get(key) ?? NEW_LIMIT_COUNTER;
  const results = request.checks.map((check) => ({ check, result: checkOne(of(check.key), request, check, now) }));
  const commandKey = commandKeyOf(request);
  if (commandKey !== undefined && isRepeated(of(commandKey), request, now)) {
    return { admitted: true, refusedBy: undefined, shadowRefusals: [], nearLimit: [] };
  }
  const over = results.filter(({ result }) => !result.admitted);
  const refusing = over
    .filter(({ check }) => !check.shadow)
    .map(({ check, result }) => ({ dimension: check.dimension, retryAt: result.retryAt ?? now }));
  const shadowRefusals = over.filter(({ check }) => check.shadow).map(({ check }) => check.dimension);
  const longestWait = refusing.reduce<LimitRefusal | undefined>(
    (last, one) => (last === undefined || one.retryAt > last.retryAt ? one : last),
    undefined,
  );
  if (longestWait) return { admitted: false, refusedBy: longestWait, shadowRefusals, nearLimit: [] };
  const admitting = results.filter(({ result }) => result.admitted);
  for (const { check } of admitting) counters.set(check.key, spendOne(of(check.key), request, check, now));
  // Also after a shadow refusal: the repetition is free, and a refund is possible.
  if (commandKey !== undefined) {
    counters.set(commandKey, { ...of(commandKey), ...withCommand(of(commandKey), request, now) });
  }
  const nearLimit = admitting
    .filter(({ check, result }) => result.used >= 0 && reachesNearLimit(result.used, mostOf(check.rule)))
    .map(({ check }) => check.dimension);
  return { admitted: true, refusedBy: undefined, shadowRefusals, nearLimit };
}

/** What remains of a limit. */
export function remainingOf(
  counter: Pick<LimitCounterState, 'admittedAt' | 'tat'>,
  now: number,
  rule: LimitRule,
): { remaining: number; resetMs: number } {
  if (rule.limit > EXACT_LIMIT) return remainingOfGcra(counter.tat, now, rule);
  const live = counter.admittedAt.filter((at) => at > now - rule.periodSeconds * 1000);
  const resetMs = live.length === 0 ? 0 : (live.at(-1) ?? now) + rule.periodSeconds * 1000 - now;
  return { remaining: Math.max(0, rule.limit - live.length), resetMs };
}

/** Dimensions with keys that store commands. Keys of agents and tenants are shared by too many requests. */
const STORES_COMMANDS: readonly LimitDimension[] = ['caller', 'call', 'subject'];

/** The key that stores a command: that of its caller, else its call, else its subject. Undefined: none does. */
export function commandKeyOf({ checks, repeatSeconds }: LimitRequest): string | undefined {
  if (repeatSeconds === 0) return undefined;
  return checks.find(({ dimension }) => STORES_COMMANDS.includes(dimension))?.key;
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
    const result = checkDistinct(counter, member, now, rule);
    // A member that is already in the window does not add to the use.
    return isLive(counter, member, now, rule) ? { ...result, used: -1 } : result;
  }
  return rule.limit > EXACT_LIMIT ? checkGcra(counter.tat, now, rule) : checkLog(counter.admittedAt, now, rule);
}

function spendOne(
  counter: LimitCounterState,
  request: LimitRequest,
  { dimension, rule }: LimitCheck,
  now: number,
): LimitCounterState {
  if (dimension === 'subjectsPerCaller') return { ...counter, ...spendDistinct(counter, request.member, now, rule) };
  const exact = rule.limit <= EXACT_LIMIT;
  return {
    ...counter,
    ...(exact || dimension === 'caller'
      ? { admittedAt: keepNewest([...counter.admittedAt, countedAt(counter.admittedAt, now)]) }
      : {}),
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
    commandsAt: keepNewest([...commandsAt, countedAt(commandsAt, now)]),
  };
}
