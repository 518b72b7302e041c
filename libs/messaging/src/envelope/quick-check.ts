import { type Message, type MessageClass } from '@countersign/contracts';
import { getMetadataStorage, type ValidationArguments, ValidationTypes } from 'class-validator';

type Metadata = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']>[number];
type Condition = (message: object, value: unknown) => boolean;
type Rule = (value: unknown, given: ValidationArguments) => unknown;

/** A field and what holds for it. */
interface Field {
  readonly name: string;
  /** It is looked at only when all of these say so. */
  readonly conditions: readonly Condition[];
  readonly rules: readonly { readonly holds: Rule; readonly constraints: unknown[]; readonly each: boolean }[];
}

/** What is read of the decorators of a class, once: class-validator reads it anew for each message. */
interface Checks {
  /** Undefined when the class has a rule of a kind that is not known here. */
  readonly fields: readonly Field[] | undefined;
  /** Fields that hold objects of other classes. */
  readonly nested: readonly string[];
}

const known = new Map<MessageClass, Checks>();

/** Whether a field of `plain` would hold an object of another class. */
export function hasNested(type: MessageClass, plain: object): boolean {
  return checksOf(type).nested.some((name) => {
    const value = (plain as Record<string, unknown>)[name];
    // An empty list holds none: every guess has one, unless a key is being replaced.
    return value !== undefined && !(Array.isArray(value) && value.length === 0);
  });
}

/**
 * Whether a message surely keeps the rules of its class. Asks the rules of class-validator themselves, without the
 * book-keeping around them, which costs five times as much as they do. False: `validateSync` has to be asked.
 */
export function passesQuickCheck(type: MessageClass, message: Message): boolean {
  const { fields } = checksOf(type);
  if (fields === undefined || hasNested(type, message)) return false;
  return fields.every(({ name, conditions, rules }) => {
    const value = (message as unknown as Record<string, unknown>)[name];
    if (!conditions.every((condition) => condition(message, value))) return true;
    return rules.every(({ holds, constraints, each }) => {
      const given = { targetName: type.name, property: name, object: message, value, constraints };
      if (each && Array.isArray(value)) return value.every((one) => holds(one, given) === true);
      return holds(value, given) === true;
    });
  });
}

function checksOf(type: MessageClass): Checks {
  let checks = known.get(type);
  if (checks === undefined) known.set(type, (checks = read(type)));
  return checks;
}

function read(type: MessageClass): Checks {
  const storage = getMetadataStorage();
  const byField = storage.groupByPropertyName(storage.getTargetValidationMetadatas(type, '', false, false));
  const fields: Field[] = [];
  const nested: string[] = [];
  let complete = true;
  for (const [name, all] of Object.entries(byField)) {
    const of = (kind: string): Metadata[] => all.filter((one) => one.type === kind);
    const custom = of(ValidationTypes.CUSTOM_VALIDATION);
    const conditional = of(ValidationTypes.CONDITIONAL_VALIDATION);
    const objects = of(ValidationTypes.NESTED_VALIDATION);
    if (objects.length > 0) nested.push(name);
    complete &&= custom.length + conditional.length + objects.length === all.length;
    fields.push({
      name,
      conditions: conditional.map(({ constraints }) => constraints[0] as Condition),
      rules: custom.flatMap(({ constraintCls, constraints, each, validateIf }) => {
        const made = storage.getTargetValidatorConstraints(constraintCls);
        complete &&= validateIf === undefined && made.every(({ async }) => !async);
        return made.map(({ instance }) => ({
          holds: (value: unknown, given: ValidationArguments) => instance.validate(value, given),
          constraints,
          each,
        }));
      }),
    });
  }
  // A class without rules is refused by class-validator.
  return { fields: complete && fields.length > 0 ? fields : undefined, nested };
}
