import { readFileSync } from 'node:fs';
import { IsOptional, IsString } from 'class-validator';
import { DEFAULT_POLICY, LOOSENABLE_FIELDS, Meaning, type LoosenableField } from '@countersign/contracts';
import { InboxSettings } from '@countersign/hosting';
import { withoutByteOrderMark } from '@countersign/runtime';
import { checkPolicy } from './policies/policy-rules.js';
import { type RawPolicy } from './policies/effective-policy.decision.js';
import { type InstallationPolicy } from './policies/published-entries.js';

const MAY_LOOSEN_RULE = `mayLoosen must be a list with some of ${LOOSENABLE_FIELDS.join(', ')}`;

export class DirectorySettings extends InboxSettings {
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
export function readInstallationPolicy(path: string | undefined): InstallationPolicy {
  if (path === undefined) return { policy: {}, mayLoosen: [] };
  let file: unknown;
  try {
    file = JSON.parse(withoutByteOrderMark(readFileSync(path, 'utf8'))) as unknown;
  } catch {
    throw new Error('must name a readable JSON file');
  }
  // What is no object is left to the rules of a policy, which refuse it.
  const isObject = typeof file === 'object' && file !== null && !Array.isArray(file);
  const { mayLoosen = [], ...policy } = isObject ? (file as RawPolicy) : {};
  if (!isLoosenable(mayLoosen)) throw new Error(`is not a valid policy: ${MAY_LOOSEN_RULE}`);
  const checked = checkPolicy(DEFAULT_POLICY, isObject ? policy : (file as RawPolicy));
  if ('policy' in checked) return { policy, mayLoosen };
  throw new Error(
    `is not a valid policy: ${checked.violations.map(({ field, rule }) => `${field} ${rule}`).join('; ')}`,
  );
}

function isLoosenable(value: unknown): value is LoosenableField[] {
  return Array.isArray(value) && value.every((one) => (LOOSENABLE_FIELDS as readonly unknown[]).includes(one));
}
