import { DEFAULT_POLICY, KnowledgeQuestion, Policy, SIGNAL_DEFAULTS } from '@countersign/contracts';
import { getSchemaPath } from '@nestjs/swagger';
import { plainToInstance } from 'class-transformer';
import { fieldSchemas, type DescribedClass, type Keywords } from '../openapi/described.js';

/** The fields to set: every one is optional, at every depth. */
export const POLICY_CHANGE = { $ref: getSchemaPath('PolicyChange') };
/** A merge patch: null clears any field, which is then inherited again. */
export const POLICY_PATCH = { $ref: getSchemaPath('PolicyPatch') };

/** Keywords that do not follow from the rules of a field. */
const EXTRA_KEYWORDS: Readonly<Record<string, (value: Keywords) => Keywords>> = {
  transfers: (text) => ({
    type: 'object',
    additionalProperties: text,
    examples: [{ support: 'sip:support@example.com' }],
  }),
  texts: (text) => ({
    type: 'object',
    additionalProperties: { type: 'object', additionalProperties: text },
    examples: [{ 'en-US': { verified: 'Thank you, {name}.' } }],
  }),
};

/** The schemas of a policy as it is sent, from the rules, meanings and defaults of its class. */
export function policySchemas(): Readonly<Record<string, Keywords>> {
  const schemas: Record<string, Keywords> = {};
  const defaults = { ...DEFAULT_POLICY, signals: SIGNAL_DEFAULTS };
  for (const isPatch of [false, true]) describe(Policy, isPatch, defaults, schemas);
  schemas['KnowledgeQuestion'] = questionSchema();
  return schemas;
}

function describe(type: DescribedClass, isPatch: boolean, defaults: unknown, into: Record<string, Keywords>): Keywords {
  const name = `${type.name}${isPatch ? 'Patch' : 'Change'}`;
  const properties = Object.fromEntries(
    [...fieldSchemas(type)].map(([field, { schema }]) => {
      const value = isRecord(defaults) ? defaults[field] : undefined;
      const nullable = isPatch || schema['nullable'] === true;
      return [field, fieldOf(type, field, { ...schema, nullable }, isPatch, value, into)];
    }),
  );
  into[name] = { type: 'object', properties, additionalProperties: false };
  return { $ref: getSchemaPath(name) };
}

function fieldOf(
  type: DescribedClass,
  field: string,
  { description, nullable, ...schema }: Keywords,
  isPatch: boolean,
  value: unknown,
  into: Record<string, Keywords>,
): Keywords {
  const described = describedWith(description, value);
  const nested = nestedClass(type, field);
  if (nested === KnowledgeQuestion) {
    const items = { $ref: getSchemaPath(nested.name) };
    return { ...described, ...schema, type: 'array', items, nullable };
  }
  if (nested !== undefined) {
    const reference = describe(nested, isPatch, value, into);
    const list = { type: 'array', items: { type: 'string' }, description: 'Short for the level `verified`.' };
    const choices = [
      reference,
      ...(field === 'unlocksFunctions' ? [list] : []),
      ...(nullable ? [{ type: 'null' }] : []),
    ];
    return { ...described, ...(choices.length === 1 ? reference : { anyOf: choices }) };
  }
  const extra = EXTRA_KEYWORDS[field]?.({ type: 'string', nullable: isPatch });
  return { ...described, ...schema, ...extra, nullable };
}

function questionSchema(): Keywords {
  const fields = [...fieldSchemas(KnowledgeQuestion)];
  return {
    type: 'object',
    properties: Object.fromEntries(fields.map(([field, { schema }]) => [field, schema])),
    required: fields.filter(([, { isRequired }]) => isRequired).map(([field]) => field),
    additionalProperties: false,
  };
}

/** The class of a nested field: what class-transformer makes of an empty object or list in it. */
function nestedClass(type: DescribedClass, field: string): DescribedClass | undefined {
  for (const empty of [{}, [{}]]) {
    const made = (plainToInstance(type, { [field]: empty }) as Record<string, unknown>)[field];
    const one: unknown = Array.isArray(made) ? made[0] : made;
    const found = isRecord(one) ? (one.constructor as DescribedClass) : Object;
    if (found !== Object && Array.isArray(made) === Array.isArray(empty)) return found;
  }
  return undefined;
}

/** A default in the description and not as a keyword: a field that is not sent keeps its value. */
function describedWith(description: unknown, value: unknown): Keywords {
  const isPlain = value !== undefined && (!isRecord(value) || Object.keys(value).length === 0);
  const text = [
    ...(typeof description === 'string' ? [description] : []),
    ...(isPlain ? [`Default: \`${JSON.stringify(value)}\`.`] : []),
    ...(isRecord(value) && 'periodSeconds' in value
      ? [`Default: ${String(value['limit'])} in ${String(value['periodSeconds'])} s.`]
      : []),
  ].join(' ');
  return text === '' ? {} : { description: text };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
