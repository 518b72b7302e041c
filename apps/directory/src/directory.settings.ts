import { readFileSync } from 'node:fs';
import { IsOptional, IsString } from 'class-validator';
import { Meaning } from '@countersign/contracts';
import { StoreSettings } from '@countersign/hosting';
import { withoutByteOrderMark } from '@countersign/runtime';
import { checkPolicy } from './policies/policy-rules.js';
import { DEFAULT_POLICY, type RawPolicy } from './policies/effective-policy.decision.js';

export class DirectorySettings extends StoreSettings {
  @Meaning('Path of a JSON file with the policy of the installation, from which every tenant inherits')
  @IsOptional()
  @IsString()
  POLICY_FILE?: string;
}

/**
 * The policy of the instance. Its numbers may be set freely, within what a policy may hold at all.
 * @throws Error with the rules that it breaks
 */
export function readInstancePolicy(path: string | undefined): RawPolicy {
  if (path === undefined) return {};
  let policy: RawPolicy;
  try {
    policy = JSON.parse(withoutByteOrderMark(readFileSync(path, 'utf8'))) as RawPolicy;
  } catch {
    throw new Error('must name a readable JSON file');
  }
  const checked = checkPolicy(DEFAULT_POLICY, policy);
  if ('policy' in checked) return policy;
  throw new Error(
    `is not a valid policy: ${checked.violations.map(({ field, rule }) => `${field} ${rule}`).join('; ')}`,
  );
}
