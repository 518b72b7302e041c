import { Meaning, meaningOf } from '@countersign/contracts';
import { ApiProperty, ApiSchema, type ApiSchemaOptions } from '@nestjs/swagger';
import { getMetadataStorage } from 'class-validator';

/** Keywords of JSON Schema. `nullable` is written as the type `null` into the document. */
export type Keywords = Readonly<Record<string, unknown>>;
export type DescribedClass = new () => object;

/** A field of a class as its rules describe it. */
export interface FieldSchema {
  readonly schema: Keywords;
  readonly isRequired: boolean;
}

type Rule = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']>[number];

const EXTRA_KEYWORDS = new WeakMap<object, Map<string, Keywords>>();

/** States what a field of a request means, and the keywords that do not follow from its rules. */
export function Field(meaning: string, keywords: Keywords = {}): PropertyDecorator {
  return (target, field) => {
    Meaning(meaning)(target, field);
    const extra = EXTRA_KEYWORDS.get(target) ?? new Map<string, Keywords>();
    EXTRA_KEYWORDS.set(target, extra.set(String(field), keywords));
  };
}

/**
 * Describes the fields of a request to `@nestjs/swagger` by their class-validator rules, so that a rule is written once.
 * @param keywords of the whole class, such as `examples`
 */
export function Described(keywords: Keywords = {}): ClassDecorator {
  return (target) => {
    const type = target as unknown as DescribedClass;
    for (const [name, { schema, isRequired }] of fieldSchemas(type)) {
      ApiProperty({ ...schema, required: isRequired })(type.prototype as object, name);
    }
    ApiSchema({ additionalProperties: false, ...keywords } as ApiSchemaOptions)(target);
  };
}

/** @throws Error when a rule has no counterpart in JSON Schema here */
export function fieldSchemas(type: DescribedClass): ReadonlyMap<string, FieldSchema> {
  const rules = new Map<string, Rule[]>();
  for (const rule of getMetadataStorage().getTargetValidationMetadatas(type, '', true, false)) {
    rules.set(rule.propertyName, [...(rules.get(rule.propertyName) ?? []), rule]);
  }
  return new Map([...rules].map(([name, own]) => [name, fieldSchema(type, name, own)]));
}

function fieldSchema(type: DescribedClass, name: string, rules: readonly Rule[]): FieldSchema {
  const description = describedIn(type, name);
  const of = (each: boolean): Keywords =>
    Object.assign({}, ...rules.filter((rule) => Boolean(rule.each) === each).map(keywordsOf)) as Keywords;
  const items = of(true);
  const schema = {
    ...of(false),
    ...(Object.keys(items).length === 0 ? {} : { items }),
    ...(accepts(rules, null) ? { nullable: true } : {}),
    ...(description === undefined ? {} : { description }),
    ...extraKeywords(type, name),
  };
  return { schema, isRequired: !accepts(rules, undefined) };
}

/** Whether a condition such as `IsOptional` lets a value skip the rules of its field. */
function accepts(rules: readonly Rule[], value: null | undefined): boolean {
  return rules.some(({ type, constraints, propertyName }) => {
    if (type !== 'conditionalValidation') return false;
    const isChecked = constraints[0] as (object: object, value: unknown) => boolean;
    return !isChecked({ [propertyName]: value }, value);
  });
}

function keywordsOf({ type, name, constraints }: Rule): Keywords {
  const [first, second] = (constraints ?? []) as unknown[];
  if (type !== 'customValidation') return {};
  switch (name) {
    case 'isString':
      return { type: 'string' };
    case 'isBoolean':
      return { type: 'boolean' };
    case 'isInt':
      return { type: 'integer' };
    case 'isObject':
      return { type: 'object' };
    case 'isArray':
      return { type: 'array' };
    case 'min':
      return { minimum: first };
    case 'max':
      return { maximum: first };
    case 'isLength':
      return { minLength: first, maxLength: second };
    case 'matches':
      return { type: 'string', pattern: portablePattern((first as RegExp).source) };
    case 'isIn':
      return { type: 'string', enum: [...(first as readonly string[])] };
    case 'isNotIn':
      return { not: { enum: [...(first as readonly string[])] } };
    case 'arrayMinSize':
      return { minItems: first };
    case 'arrayMaxSize':
      return { maxItems: first };
    case 'arrayUnique':
      return { uniqueItems: true };
    case 'isIso8601':
      return {};
    default:
      throw new Error(`the rule ${name} of class-validator has no counterpart in the description of the API`);
  }
}

/**
 * Not every reader of JSON Schema knows classes of Unicode: controls are written as ranges. Surrogates are left out, because many
 * readers reject a pattern with them, and no text in UTF-8 holds one.
 */
export function portablePattern(source: string): string {
  return source.replaceAll('\\p{Cc}', '\\u0000-\\u001f\\u007f-\\u009f').replaceAll('\\p{Cs}', '');
}

/** The meaning of a field, with the unit that its name ends in. */
function describedIn(type: DescribedClass, name: string): string | undefined {
  const meaning = meaningOf(type, name);
  return meaning && `${meaning}.${name.endsWith('Seconds') ? ' In seconds.' : ''}`;
}

function extraKeywords(type: DescribedClass, name: string): Keywords {
  for (let prototype: unknown = type.prototype; prototype; prototype = Object.getPrototypeOf(prototype)) {
    const keywords = EXTRA_KEYWORDS.get(prototype)?.get(name);
    if (keywords !== undefined) return keywords;
  }
  return {};
}
