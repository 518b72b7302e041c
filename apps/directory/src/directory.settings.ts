import { readFileSync } from 'node:fs';
import { IsOptional, IsString } from 'class-validator';
import { DEFAULT_POLICY, Meaning } from '@countersign/contracts';
import { StoreSettings } from '@countersign/hosting';
import { withoutByteOrderMark } from '@countersign/runtime';
import { checkPolicy } from './policies/policy-rules.js';
import { type RawPolicy } from './policies/effective-policy.decision.js';

export class DirectorySettings extends StoreSettings {
  @Meaning('Path of a JSON file with the policy of the installation, from which every tenant inherits')
  @IsOptional()
  @IsString()
  POLICY_FILE?: string;
}

/**
 * Reads the policy of the installation.
 * @param path undefined: the installation has no policy of its own
 * @throws Error with the rules that it violates
 */
export function readInstallationPolicy(path: string | undefined): RawPolicy {
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
