import { fieldSchemas, type DescribedClass, type Keywords } from '@countersign/api';
import {
  DEFAULT_POLICY,
  KnowledgeQuestion,
  Policy,
  POLICY_LEVELS,
  SIGNAL_DEFAULTS,
  TEXT_PLACEHOLDERS,
} from '@countersign/contracts';
import { PHONE_COUNTRIES } from '@countersign/normalization';
import { getSchemaPath } from '@nestjs/swagger';
import { plainToInstance } from 'class-transformer';

/** The fields to set: every one is optional, at every depth. */
export const POLICY_CHANGE = { $ref: getSchemaPath('PolicyChange') };
/** A merge patch: null clears any field, which is then inherited again. */
export const POLICY_PATCH = { $ref: getSchemaPath('PolicyPatch') };
/** An effective policy: every mandatory field is present. */
export const EFFECTIVE_POLICY = { $ref: getSchemaPath('Policy') };
/** The level that each value of an effective policy comes from. */
export const POLICY_SOURCES = { $ref: getSchemaPath('PolicySources') };

/** The forms of a policy, by the end of the names of their schemas. */
const FORMS = ['Change', 'Patch', 'Sources', ''] as const;
type Form = (typeof FORMS)[number];

const LEVEL: Keywords = { type: 'string', enum: [...POLICY_LEVELS] };

/** Keywords that do not follow from the rules of a field. */
const EXTRA_KEYWORDS: Readonly<Record<string, (value: Keywords) => Keywords>> = {
  transfers: (text) => ({ type: 'object', additionalProperties: text }),
  texts: (text) => ({ type: 'object', additionalProperties: { type: 'object', additionalProperties: text } }),
};
/** The same for a policy that is sent: as far as a schema can state them, the rules that the directory checks. */
const SENT_KEYWORDS: typeof EXTRA_KEYWORDS = {
  transfers: (text) => ({
    type: 'object',
    propertyNames: {
      ...{ minLength: 1, maxLength: 64 },
      pattern: '^[^\\x00-/:-@[-`{-\\x7f][^\\x00-\\x1f!-,./:-@[-^`{-\\x7f]*$',
    },
    additionalProperties: {
      ...{ ...text, minLength: 8, maxLength: 512 },
      pattern: '^(\\+[1-9][0-9]+|sips?:[^\\s@\\x00]+@[^\\s@\\x00]+)$',
    },
  }),
  texts: (text) => ({
    type: 'object',
    propertyNames: { pattern: '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$' },
    additionalProperties: {
      type: 'object',
      properties: Object.fromEntries(
        Object.entries(TEXT_PLACEHOLDERS).map(([name, placeholders]) => [
          name,
          { ...text, ...textRules(placeholders) },
        ]),
      ),
      additionalProperties: false,
    },
  }),
  defaultCountry: () => ({ type: 'string', pattern: `^(${PHONE_COUNTRIES.join('|')})$` }),
};
const EXAMPLES: Readonly<Record<string, Keywords>> = {
  transfers: { support: 'sip:support@example.com' },
  texts: { 'en-US': { verified: 'Thank you, {name}.' } },
};

/** A text that people hear. Braces stand around its placeholders only, and not after `$` or `%`. */
function textRules(placeholders: readonly string[]): Keywords {
  const parts = ['[^{}$%\\x00]', '[$%]+[^{}$%\\x00]', ...placeholders.map((name) => `\\{${name}\\}`)];
  return { minLength: 1, maxLength: 1000, pattern: `^(${parts.join('|')})*[$%]*$`, allOf: [{ pattern: '\\S' }] };
}

/** The schemas of a policy in each form, from the rules, meanings and defaults of its class. */
export function policySchemas(): Readonly<Record<string, Keywords>> {
  const schemas: Record<string, Keywords> = {};
  const defaults = { ...DEFAULT_POLICY, signals: SIGNAL_DEFAULTS };
  for (const form of FORMS) describe(Policy, form, defaults, schemas);
  schemas['KnowledgeQuestion'] = questionSchema();
  return schemas;
}

function describe(type: DescribedClass, form: Form, defaults: unknown, into: Record<string, Keywords>): Keywords {
  const name = `${type.name}${form}`;
  const fields = [...fieldSchemas(type)];
  const properties = Object.fromEntries(
    fields.map(([field, { schema }]) => {
      const value = isRecord(defaults) ? defaults[field] : undefined;
      const nullable = form === 'Patch' || (form !== 'Sources' && schema['nullable'] === true);
      return [field, fieldOf(type, field, { ...schema, nullable }, form, value, into)];
    }),
  );
  const required = form === '' ? fields.filter(([, { isRequired }]) => isRequired).map(([field]) => field) : [];
  into[name] = { type: 'object', properties, ...(required.length > 0 && { required }), additionalProperties: false };
  return { $ref: getSchemaPath(name) };
}

function fieldOf(
  type: DescribedClass,
  field: string,
  { description, nullable, ...schema }: Keywords,
  form: Form,
  value: unknown,
  into: Record<string, Keywords>,
): Keywords {
  const isSent = form === 'Change' || form === 'Patch';
  const described = isSent ? describedWith(description, value) : { ...(description !== undefined && { description }) };
  const nested = nestedClass(type, field);
  if (nested === KnowledgeQuestion) {
    const items = { $ref: getSchemaPath(nested.name) };
    return form === 'Sources'
      ? { ...described, ...LEVEL }
      : { ...described, ...schema, type: 'array', items, nullable };
  }
  if (nested !== undefined) {
    const reference = describe(nested, form, value, into);
    const list = { type: 'array', items: { type: 'string' }, description: 'Short for the level `verified`.' };
    const choices = [
      reference,
      ...(isSent && field === 'unlocksFunctions' ? [list] : []),
      // Null is a value of this field, and has a level too.
      ...(form === 'Sources' && field === 'waiver' ? [LEVEL] : []),
      ...(nullable ? [{ type: 'null' }] : []),
    ];
    return { ...described, ...(choices.length === 1 ? reference : { anyOf: choices }) };
  }
  if (form === 'Sources') return { ...described, ...(EXTRA_KEYWORDS[field]?.(LEVEL) ?? LEVEL) };
  const keywords = isSent ? SENT_KEYWORDS : EXTRA_KEYWORDS;
  const extra = keywords[field]?.({ type: 'string', nullable: form === 'Patch' });
  const examples = EXAMPLES[field] && { examples: [EXAMPLES[field]] };
  return { ...described, ...schema, ...extra, ...examples, nullable };
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
