import { Injectable, type PipeTransform } from '@nestjs/common';
import { invalid, isRecord } from '@countersign/api';
import { POLICY_DEPTH, type Violation } from '@countersign/contracts';
import { unstorableJson } from '@countersign/normalization';

/**
 * What a policy must be before the directory checks it as a whole: an object that every service can parse and store.
 * @param field name of the field in the answer
 */
export function policyRules(policy: unknown, field = 'policy'): Violation[] {
  if (!isRecord(policy)) return [{ field, rule: 'must be a JSON object' }];
  const violation = unstorableJson(policy, field, POLICY_DEPTH);
  return violation === undefined ? [] : [violation];
}

/** Checks a body that is a policy. */
@Injectable()
export class PolicyPipe implements PipeTransform<unknown, Record<string, unknown>> {
  /** @throws Problem invalid-request */
  transform(raw: unknown): Record<string, unknown> {
    const violations = policyRules(raw);
    if (violations.length > 0) throw invalid(violations);
    return raw as Record<string, unknown>;
  }
}
