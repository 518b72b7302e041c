import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { Policy, type Violation } from '@countersign/contracts';
import { toE164 } from '@countersign/service';
import { overlay, type RawPolicy } from './domain/effective-policy.js';

/** What a text of a policy may hold besides words. */
const PLACEHOLDERS = new Set(['name', 'attempts', 'seconds']);
const SIP_URI = /^sips?:[A-Za-z0-9._~!$&'()*+,;=%-]{1,128}@[A-Za-z0-9.-]{1,253}(:\d{1,5})?(;[A-Za-z0-9._=-]{1,64})*$/;
const LANGUAGE = /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$/;
const LONGEST_TEXT = 1000;

/** A policy that is good as a whole, or every rule that it breaks. */
export type CheckedPolicy = { readonly policy: Policy } | { readonly violations: readonly Violation[] };

/** Lays the policies over each other and checks the result as a whole: nothing half-good is ever published. */
export function checkPolicy(...layers: readonly RawPolicy[]): CheckedPolicy {
  const policy = plainToInstance(Policy, overlay(...layers));
  const faults = validateSync(policy, {
    whitelist: true,
    forbidNonWhitelisted: true,
    validationError: { target: false, value: false },
  });
  const violations = faults.flatMap((fault) => flatten(fault, 'policy'));
  if (violations.length === 0) violations.push(...transferFaults(policy), ...textFaults(policy));
  return violations.length === 0 ? { policy } : { violations };
}

function flatten(fault: ValidationError, above: string): Violation[] {
  const field = /^\d+$/.test(fault.property) ? `${above}[${fault.property}]` : `${above}.${fault.property}`;
  const own = Object.values(fault.constraints ?? {}).map((rule) => ({ field, rule }));
  return [...own, ...(fault.children ?? []).flatMap((child) => flatten(child, field))];
}

/** Destinations are checked when they are saved: nothing else is ever dialled. */
function transferFaults({ transfers, escalation }: Policy): Violation[] {
  const faults = Object.entries(transfers)
    .filter(([, to]) => typeof to !== 'string' || (toE164(to) !== to && !SIP_URI.test(to)))
    .map(([department]) => ({
      field: `policy.transfers.${department}`,
      rule: 'must be a telephone number in E.164 form or a SIP URI',
    }));
  if (escalation !== undefined && !Object.hasOwn(transfers, escalation)) {
    faults.push({ field: 'policy.escalation', rule: 'must name one of the transfers' });
  }
  return faults;
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
    for (const [name, text] of Object.entries(byName)) faults.push(...oneTextFaults(`${field}.${name}`, text));
  }
  return faults;
}

function oneTextFaults(field: string, text: unknown): Violation[] {
  if (typeof text !== 'string' || text.trim() === '' || text.length > LONGEST_TEXT) {
    return [{ field, rule: `must be a text of 1 to ${LONGEST_TEXT} characters` }];
  }
  const unknown = [...text.matchAll(/\{([^}]*)\}/g)].filter(([, name]) => !PLACEHOLDERS.has(name ?? ''));
  return unknown.length > 0 ? [{ field, rule: `may hold only {${[...PLACEHOLDERS].join('}, {')}}` }] : [];
}
