import { type KnowledgePolicy, type Level, type Method, type Outcome } from '@countersign/contracts';
import { knowledgeLevel } from '../knowledge/knowledge-level.decision.js';
import { type CountedAttempt } from './counted-attempt.decision.js';

/** @param matches undefined: the stored credential failed to decrypt, or a success would not hold */
export function outcomeOf(
  { granted, disabled, remaining }: Pick<CountedAttempt, 'granted' | 'disabled' | 'remaining'>,
  matches: boolean | undefined,
): Outcome {
  if (matches === undefined) return 'unavailable';
  if (matches && granted) return 'verified';
  if (disabled) return 'disabled';
  return remaining > 0 ? 'rejected' : 'locked';
}

/** The level of a success. A PIN that an administrator chose is known to another person, so it does not reach the highest level. */
export function levelOf(
  method: Method,
  { mustChange }: { readonly mustChange: boolean },
  { countedAt }: Pick<CountedAttempt, 'countedAt'>,
  knowledge: KnowledgePolicy,
): Level {
  switch (method) {
    case 'pin':
      return mustChange ? 'identified' : 'verified';
    case 'knowledge':
      return knowledgeLevel(knowledge, Date.parse(countedAt));
  }
}
