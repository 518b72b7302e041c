import { POLICY_DEPTH, type Violation } from '@countersign/contracts';
import { unstorableJson } from '@countersign/normalization';
import { isRecord } from '../http/read-body.js';

/**
 * What a policy must be before the directory looks at it as a whole: an object that any service can hold and store.
 * @param field name of the field in the answer
 */
export function policyRules(policy: unknown, field = 'policy'): Violation[] {
  if (!isRecord(policy)) return [{ field, rule: 'must be a JSON object' }];
  const fault = unstorableJson(policy, field, POLICY_DEPTH);
  return fault === undefined ? [] : [fault];
}
