import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import {
  MAX_POLICY_BYTES,
  Policy,
  POLICY_DEPTH,
  TEXT_PLACEHOLDERS,
  type TextName,
  type Violation,
} from '@countersign/contracts';
import { isPhoneCountry, toE164, unstorableJson } from '@countersign/normalization';
import { mergePolicies, type RawPolicy } from './effective-policy.decision.js';

/** Names of departments are spoken and appear in the schema of a function, so they must not contain instructions. */
const DEPARTMENT = /^[\p{L}\p{N}][\p{L}\p{N} _-]{0,63}$/u;
const SIP_URI = /^sips?:[A-Za-z0-9._~!$&'()*+,;=%-]{1,128}@[A-Za-z0-9.-]{1,253}(:\d{1,5})?(;[A-Za-z0-9._=-]{1,64})*$/;
const LANGUAGE = /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$/;
const MAX_TEXT_LENGTH = 1000;

/** A valid policy, or every rule that it violates. */
export type CheckedPolicy = { readonly policy: Policy } | { readonly violations: readonly Violation[] };

/** Merges the policies and validates the result, because rules can involve several fields from different levels. */
export function checkPolicy(...layers: readonly RawPolicy[]): CheckedPolicy {
  if (layers.some((layer) => typeof layer !== 'object' || layer === null || Array.isArray(layer))) {
    return { violations: [{ field: 'policy', rule: 'must be a JSON object' }] };
  }
  const unstorable = layers.flatMap((layer) => unstorableJson(layer, 'policy', POLICY_DEPTH) ?? []);
  if (unstorable.length > 0) return { violations: unstorable };
  const merged = mergePolicies(...layers);
  // Several merge patches can make a policy longer than the longest request.
  if (Buffer.byteLength(JSON.stringify(merged)) > MAX_POLICY_BYTES) {
    const rule = `must have at most ${MAX_POLICY_BYTES} bytes of JSON, together with what it inherits`;
    return { violations: [{ field: 'policy', rule }] };
  }
  if (hasReservedKey(merged)) {
    return {
      violations: [
        { field: 'policy', rule: 'must have no key that every object has, such as constructor or toString' },
      ],
    };
  }
  const policy = plainToInstance(Policy, merged);
  const faults = validateSync(policy, {
    whitelist: true,
    forbidNonWhitelisted: true,
    validationError: { target: false, value: false },
  });
  const violations = faults.flatMap((fault) => flatten(fault, 'policy'));
  if (violations.length === 0)
    violations.push(...transferFaults(policy), ...textFaults(policy), ...countryFaults(policy));
  return violations.length === 0 ? { policy } : { violations };
}

/** Names that every JavaScript object has. A consumer that looks one up finds the inherited member. */
const RESERVED_KEYS: ReadonlySet<string> = new Set([...Object.getOwnPropertyNames(Object.prototype), 'prototype']);

function hasReservedKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, inner]) => RESERVED_KEYS.has(key) || hasReservedKey(inner));
}

function flatten(fault: ValidationError, above: string): Violation[] {
  const field = /^\d+$/.test(fault.property) ? `${above}[${fault.property}]` : `${above}.${fault.property}`;
  const own = Object.values(fault.constraints ?? {}).map((rule) => ({ field, rule }));
  return [...own, ...(fault.children ?? []).flatMap((child) => flatten(child, field))];
}

/** Only destinations that pass these rules are ever dialled. */
function transferFaults({ transfers, escalation }: Policy): Violation[] {
  const faults: Violation[] = Object.keys(transfers).some((department) => !DEPARTMENT.test(department))
    ? [{ field: 'policy.transfers', rule: 'must have names of 1 to 64 letters, digits, spaces, _ and - as its keys' }]
    : [];
  const destinations = Object.entries(transfers)
    .filter(([department]) => DEPARTMENT.test(department))
    .filter(([, to]) => typeof to !== 'string' || (toE164(to) !== to && !SIP_URI.test(to)))
    .map(([department]) => ({
      field: `policy.transfers.${department}`,
      rule: 'must be a telephone number in E.164 form or a SIP URI',
    }));
  faults.push(...destinations);
  if (escalation !== undefined && !Object.hasOwn(transfers, escalation)) {
    faults.push({ field: 'policy.escalation', rule: 'must name one of the transfers' });
  }
  return faults;
}

function countryFaults({ defaultCountry }: Policy): Violation[] {
  if (defaultCountry === null || isPhoneCountry(defaultCountry)) return [];
  return [{ field: 'policy.defaultCountry', rule: 'must be an ISO 3166 code of a country with telephone numbers' }];
}

function textFaults({ texts }: Policy): Violation[] {
  const faults: Violation[] = [];
  for (const [language, byName] of Object.entries(texts)) {
    const field = `policy.texts.${language}`;
    if (!LANGUAGE.test(language)) faults.push({ field: 'policy.texts', rule: 'must have language tags as its keys' });
    if (typeof byName !== 'object' || byName === null) {
      faults.push({ field, rule: 'must be an object of texts' });
      continue;
    }
    for (const [name, text] of Object.entries(byName)) {
      if (isTextName(name)) faults.push(...oneTextFaults(`${field}.${name}`, name, text));
      else faults.push({ field, rule: `may hold only texts named ${Object.keys(TEXT_PLACEHOLDERS).join(', ')}` });
    }
  }
  return faults;
}

function isTextName(name: string): name is TextName {
  return Object.hasOwn(TEXT_PLACEHOLDERS, name);
}

/** Each text allows its own placeholders and no others, so no text can reveal a secret value. */
function oneTextFaults(field: string, name: TextName, text: unknown): Violation[] {
  if (typeof text !== 'string' || text.trim() === '' || text.length > MAX_TEXT_LENGTH) {
    return [{ field, rule: `must be a text of 1 to ${MAX_TEXT_LENGTH} characters` }];
  }
  const allowed: readonly string[] = TEXT_PLACEHOLDERS[name];
  const rest = text.replace(/\{(\w*)\}/g, (all, placeholder: string) => (allowed.includes(placeholder) ? '' : all));
  // The voice platform expands ${…} and %{…} itself, and could speak the digits that the caller keyed in.
  if (!/[{}]/.test(rest) && !/[$%]\{/.test(text)) return [];
  const rule = allowed.length === 0 ? 'no placeholder' : `only {${allowed.join('}, {')}}`;
  return [{ field, rule: `may hold ${rule}, and no other brace` }];
}
