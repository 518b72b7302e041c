import { type Violation } from '@countersign/contracts';
import { getMetadataStorage, validateSync } from 'class-validator';
import { Problem } from './problems.js';

/** More would help nobody; a body of 256 KiB can have 40,000 faults. */
const MOST_VIOLATIONS = 20;

/** The body of a request: a flat class with class-validator rules. A field without a rule is not known. */
export abstract class Body {
  /** Rules that class-validator cannot say; asked only when all the others hold. */
  rules(): Violation[] {
    return [];
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Makes a body of parsed JSON. Unknown fields are refused. Nothing is converted: "1" is no number.
 * @throws Problem invalid-request with the field and the rule of every fault, and no value
 */
export function readBody<T extends Body>(type: new () => T, raw: unknown): T {
  if (!isRecord(raw)) throw invalid([{ field: 'body', rule: 'must be a JSON object' }]);
  const known = fieldsOf(type);
  const violations: Violation[] = Object.keys(raw)
    .filter((field) => !known.has(field))
    .map((field) => ({ field: printable(field), rule: 'is not a field of this request' }));
  // Only known names are copied: a field called `constructor` would hide the rules from class-validator.
  const body = new type();
  for (const field of known) if (Object.hasOwn(raw, field)) Object.assign(body, { [field]: raw[field] });
  for (const { property, constraints } of validateSync(body, { validationError: { target: false, value: false } })) {
    for (const rule of Object.values(constraints ?? {})) violations.push({ field: property, rule });
  }
  if (violations.length === 0) violations.push(...body.rules());
  if (violations.length > 0) throw invalid(violations);
  return body;
}

/**
 * Checks a name in the path.
 * @throws Problem invalid-request
 */
export function readName(field: string, value: string, pattern: RegExp, rule: string): string {
  if (!pattern.test(value)) throw invalid([{ field, rule }]);
  return value;
}

export function invalid(violations: readonly Violation[]): Problem {
  return new Problem('invalid-request', violations.slice(0, MOST_VIOLATIONS));
}

/** The fields that have a rule. */
export function fieldsOf(type: new () => Body): ReadonlySet<string> {
  const rules = getMetadataStorage().getTargetValidationMetadatas(type, '', true, false);
  return new Set(rules.map((rule) => rule.propertyName));
}

/** A name that looks like one is shown to help; anything else may be a secret in the wrong place. */
function printable(field: string): string {
  return /^[A-Za-z_][A-Za-z_]{0,39}$/.test(field) ? field : '(a field with an unusual name)';
}
