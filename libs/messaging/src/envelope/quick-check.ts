import { type Message, type MessageClass } from '@countersign/contracts';
import { getMetadataStorage, type ValidationArguments, ValidationTypes } from 'class-validator';

type Metadata = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']>[number];
type Condition = (message: object, value: unknown) => boolean;
type Rule = (value: unknown, argument: ValidationArguments) => unknown;

/** A field and its rules. */
interface Field {
  readonly name: string;
  /** The field is checked only when all of these return true. */
  readonly conditions: readonly Condition[];
  readonly rules: readonly { readonly holds: Rule; readonly constraints: unknown[]; readonly each: boolean }[];
}

/** The rules of a class, read from its decorators once: class-validator reads them again for each message. */
interface Checks {
  /** Undefined when the class has a rule of a kind that is not supported here. */
  readonly fields: readonly Field[] | undefined;
  /** Fields with objects of other classes. */
  readonly nested: readonly string[];
}

const checksByClass = new Map<MessageClass, Checks>();

/** Whether a field of `json` would hold an object of another class. */
export function hasNested(type: MessageClass, plain: object): boolean {
  return checksOf(type).nested.some((name) => {
    const value = (plain as Record<string, unknown>)[name];
    // Every attempt has an empty list, except while a key is rotated, so this case must be fast.
    return value !== undefined && !(Array.isArray(value) && value.length === 0);
  });
}

/**
 * Whether a message certainly keeps the rules of its class. Calls the rules of class-validator without the bookkeeping
 * around them, which takes five times as long as the rules. False means that `validateSync` must decide.
 */
export function passesQuickCheck(type: MessageClass, message: Message): boolean {
  const { fields } = checksOf(type);
  if (fields === undefined || hasNested(type, message)) return false;
  return fields.every(({ name, conditions, rules }) => {
    const value = (message as unknown as Record<string, unknown>)[name];
    if (!conditions.every((condition) => condition(message, value))) return true;
    return rules.every(({ holds, constraints, each }) => {
      const argument = { targetName: type.name, property: name, object: message, value, constraints };
      if (each && Array.isArray(value)) return value.every((one) => holds(one, argument) === true);
      return holds(value, argument) === true;
    });
  });
}

function checksOf(type: MessageClass): Checks {
  let checks = checksByClass.get(type);
  if (checks === undefined) checksByClass.set(type, (checks = readChecks(type)));
  return checks;
}

function readChecks(type: MessageClass): Checks {
  const storage = getMetadataStorage();
  const byField = storage.groupByPropertyName(storage.getTargetValidationMetadatas(type, '', false, false));
  const fields: Field[] = [];
  const nested: string[] = [];
  let complete = true;
  for (const [name, all] of Object.entries(byField)) {
    const metadataOf = (kind: string): Metadata[] => all.filter((one) => one.type === kind);
    const custom = metadataOf(ValidationTypes.CUSTOM_VALIDATION);
    const conditional = metadataOf(ValidationTypes.CONDITIONAL_VALIDATION);
    const objects = metadataOf(ValidationTypes.NESTED_VALIDATION);
    if (objects.length > 0) nested.push(name);
    complete &&= custom.length + conditional.length + objects.length === all.length;
    fields.push({
      name,
      conditions: conditional.map(({ constraints }) => constraints[0] as Condition),
      rules: custom.flatMap(({ constraintCls, constraints, each, validateIf }) => {
        const constraintsOf = storage.getTargetValidatorConstraints(constraintCls);
        complete &&= validateIf === undefined && constraintsOf.every(({ async }) => !async);
        return constraintsOf.map(({ instance }) => ({
          holds: (value: unknown, argument: ValidationArguments) => instance.validate(value, argument),
          constraints,
          each,
        }));
      }),
    });
  }
  // A class without rules: class-validator rejects it.
  return { fields: complete && fields.length > 0 ? fields : undefined, nested };
}
