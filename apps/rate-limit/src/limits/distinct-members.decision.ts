import { checkGcra, spendGcra } from './gcra.decision.js';
import { EXACT_LIMIT, type LimitRule, type RuleResult } from './rule.decision.js';
import { countedAt, keepNewest } from './sliding-log.decision.js';

/** The newest members of a key, each once, in the order of their last admission. */
export interface DistinctMembers {
  readonly members: readonly string[];
  /** Time of the last admission of each, in milliseconds since 1970; as long as `members`. */
  readonly membersAt: readonly number[];
  /** For limits above {@link EXACT_LIMIT}: theoretical arrival time of members that are not among the newest. */
  readonly membersTat: number;
}

/**
 * At most `limit` different members in any window; exact up to {@link EXACT_LIMIT}. Above it, a member that is not among the
 * newest counts as new, at the steady rate of the rule. That may count a member twice, and never misses one.
 */
export function checkDistinct(state: DistinctMembers, member: string, now: number, rule: LimitRule): RuleResult {
  const live = state.membersAt.filter((at) => at > countedAt(state.membersAt, now) - rule.periodSeconds * 1000);
  const known = isLive(state, member, now, rule);
  if (rule.limit > EXACT_LIMIT) {
    const result = checkGcra(state.membersTat, now, rule);
    return known ? { ...result, admitted: true, retryAt: undefined } : result;
  }
  if (known || live.length < rule.limit) return { admitted: true, retryAt: undefined, used: live.length };
  const leaves = live[live.length - rule.limit] ?? now;
  return { admitted: false, retryAt: leaves + rule.periodSeconds * 1000, used: live.length };
}

/** The state after the member was admitted. */
export function spendDistinct(state: DistinctMembers, member: string, now: number, rule: LimitRule): DistinctMembers {
  const known = isLive(state, member, now, rule);
  const others = state.members
    .map((name, at) => ({ name, at: state.membersAt[at] ?? 0 }))
    .filter(({ name }) => name !== member);
  const all = [...others, { name: member, at: countedAt(state.membersAt, now) }];
  return {
    members: keepNewest(all.map(({ name }) => name)),
    membersAt: keepNewest(all.map(({ at }) => at)),
    membersTat: known || rule.limit <= EXACT_LIMIT ? state.membersTat : spendGcra(state.membersTat, now, rule),
  };
}

/**
 * Whether the member is in the window already, and so counts nothing. The window does not move back when the clock does,
 * because members that had left it would be in it again.
 */
export function isLive(state: DistinctMembers, member: string, now: number, { periodSeconds }: LimitRule): boolean {
  const at = state.membersAt[state.members.indexOf(member)];
  return at !== undefined && at > countedAt(state.membersAt, now) - periodSeconds * 1000;
}

/** The newest members that are in the window. */
export function liveMembers(
  { members, membersAt }: Pick<DistinctMembers, 'members' | 'membersAt'>,
  now: number,
  { periodSeconds }: LimitRule,
): string[] {
  const since = countedAt(membersAt, now) - periodSeconds * 1000;
  return members.filter((_, place) => (membersAt[place] ?? 0) > since);
}
