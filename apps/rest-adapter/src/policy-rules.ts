import { type Violation } from '@countersign/contracts';
import { isRecord } from './read-body.js';

/** The deepest part of a policy is three levels down; what is much deeper only exhausts the stack of a reader. */
const DEEPEST = 8;

/**
 * What a policy must be before the directory looks at it as a whole: an object that any service can hold and store.
 * @param field name of the field in the answer
 */
export function policyRules(policy: unknown, field = 'policy'): Violation[] {
  if (!isRecord(policy)) return [{ field, rule: 'must be a JSON object' }];
  const rest: { value: unknown; depth: number }[] = [{ value: policy, depth: 1 }];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { value, depth } = next;
    // PostgreSQL has no character NUL: the statement that stores it would fail for ever.
    if (typeof value === 'string' && value.includes('\0')) return [{ field, rule: 'must not hold the character NUL' }];
    if (typeof value !== 'object' || value === null) continue;
    if (depth > DEEPEST) return [{ field, rule: `must not be nested more than ${DEEPEST} levels deep` }];
    for (const [key, inner] of Object.entries(value)) {
      rest.push({ value: key, depth }, { value: inner, depth: depth + 1 });
    }
  }
  return [];
}
