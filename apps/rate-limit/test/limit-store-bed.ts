import { randomInt, randomUUID } from 'node:crypto';
import { LIMIT_DIMENSIONS, type LimitDimension } from '@countersign/contracts';
import { type LimitCheck, type LimitRequest } from '../src/limits/limit.decision.js';
import { type LimitRule } from '../src/limits/rule.decision.js';
import { type LimitStore } from '../src/limits/limits.ports.js';

/** A store, and a clock that the test moves. */
export interface LimitBed {
  readonly store: LimitStore;
  reset(dimension: LimitDimension, key: string): Promise<void>;
  advance(seconds: number): Promise<void>;
}

const WIDE: LimitRule = { limit: 1_000_000, periodSeconds: 60 };

export const number = (): string => String(randomInt(2 ** 47));

/** A limit request over all limits. A limit without a rule here refuses nothing. */
export function limitRequestOf(
  keys: Partial<Record<LimitDimension, string>>,
  rules: Partial<Record<LimitDimension, LimitRule>> = {},
  more: Partial<LimitRequest> & {
    readonly shadow?: readonly LimitDimension[];
    readonly without?: readonly LimitDimension[];
  } = {},
): LimitRequest {
  const { shadow = [], without = [], ...others } = more;
  const caller = keys.caller ?? randomUUID();
  const checks = LIMIT_DIMENSIONS.filter((dimension) => !without.includes(dimension)).map((dimension): LimitCheck => ({
    dimension,
    key:
      dimension === 'subjectsPerCaller' ? caller : dimension === 'caller' ? caller : (keys[dimension] ?? randomUUID()),
    rule: rules[dimension] ?? WIDE,
    shadow: shadow.includes(dimension),
  }));
  return { checks, command: number(), repeatSeconds: 60, member: number(), ...others };
}

export const times = async <T>(count: number, work: () => Promise<T>): Promise<T[]> => {
  const all: T[] = [];
  for (let n = 0; n < count; n++) all.push(await work());
  return all;
};
