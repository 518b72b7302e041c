import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { Policy, POLICY_DEPTH, TEXT_PLACEHOLDERS, type TextName, type Violation } from '@countersign/contracts';
import { isPhoneCountry, toE164, unstorableJson } from '@countersign/normalization';
import { overlay, type RawPolicy } from './effective-policy.decision.js';

/** Departments are read aloud and stand in the schema of a function: names, and no sentences. */
const DEPARTMENT = /^[\p{L}\p{N}][\p{L}\p{N} _-]{0,63}$/u;
const SIP_URI = /^sips?:[A-Za-z0-9._~!$&'()*+,;=%-]{1,128}@[A-Za-z0-9.-]{1,253}(:\d{1,5})?(;[A-Za-z0-9._=-]{1,64})*$/;
const LANGUAGE = /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$/;
const LONGEST_TEXT = 1000;

/** A policy that is good as a whole, or every rule that it breaks. */
export type CheckedPolicy = { readonly policy: Policy } | { readonly violations: readonly Violation[] };

/** Lays the policies over each other and checks the result as a whole: nothing half-good is ever published. */
export function checkPolicy(...layers: readonly RawPolicy[]): CheckedPolicy {
  if (layers.some((layer) => typeof layer !== 'object' || layer === null || Array.isArray(layer))) {
    return { violations: [{ field: 'policy', rule: 'must be a JSON object' }] };
  }
  const unstorable = layers.flatMap((layer) => unstorableJson(layer, 'policy', POLICY_DEPTH) ?? []);
  if (unstorable.length > 0) return { violations: unstorable };
  const laid = overlay(...layers);
  if (hasReservedKey(laid)) {
    return {
      violations: [
        { field: 'policy', rule: 'must have no key that every object has, such as constructor or toString' },
      ],
    };
  }
  const policy = plainToInstance(Policy, laid);
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

/** Under these names a reader of JSON finds members of the language, and fails or leaves the field out. */
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

/** Destinations are checked when they are saved: nothing else is ever dialled. */
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

/** Whatever is in braces is a placeholder, and of those only the text's own pass: nothing secret is among them. */
function oneTextFaults(field: string, name: TextName, text: unknown): Violation[] {
  if (typeof text !== 'string' || text.trim() === '' || text.length > LONGEST_TEXT) {
    return [{ field, rule: `must be a text of 1 to ${LONGEST_TEXT} characters` }];
  }
  const known: readonly string[] = TEXT_PLACEHOLDERS[name];
  const rest = text.replace(/\{(\w*)\}/g, (all, placeholder: string) => (known.includes(placeholder) ? '' : all));
  // The platform has templates of its own, which could print the digits that a caller keyed in.
  if (!/[{}]/.test(rest) && !/[$%]\{/.test(text)) return [];
  const allowed = known.length === 0 ? 'no placeholder' : `only {${known.join('}, {')}}`;
  return [{ field, rule: `may hold ${allowed}, and no other brace` }];
}
