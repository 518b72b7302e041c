import { Injectable, ValidationPipe, type ArgumentMetadata } from '@nestjs/common';
import { type Violation } from '@countersign/contracts';
import { getMetadataStorage, validate } from 'class-validator';
import { Problem } from './problems.js';

/** Most violations in one answer; a body of 256 KiB can have 40,000. */
const MAX_VIOLATIONS = 20;

/** The body of a request: a class with class-validator rules. A field without a rule is unknown. */
export abstract class RequestBody {
  /** Whether a request without a body means an empty object. */
  static readonly isOptional: boolean = false;

  /** Rules that involve several fields or parts of one. They are checked only when the rules of all fields hold. */
  rules(): Violation[] {
    return [];
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function invalid(violations: readonly Violation[]): Problem {
  return new Problem('invalid-request', violations.slice(0, MAX_VIOLATIONS));
}

/**
 * Checks bodies and path parameters by the rules of their classes. Converts nothing: "1" is no number. Every violation is a
 * field and a rule, never a value.
 *
 * Unknown fields are found here and not by class-validator, which takes `toString` for a known field and looks up the rules
 * of whatever a field `constructor` holds.
 */
@Injectable()
export class RequestPipe extends ValidationPipe {
  constructor() {
    super({
      transform: true,
      validationError: { target: false, value: false },
      // Given, because Nest would import them when they are first used: that finds no names in a bundle.
      validatorPackage: { validate: validate },
      // class-transformer would copy a policy of any depth recursively, and drop fields named like members of the class.
      transformerPackage: {
        plainToInstance: (type, plain) => Object.assign(new type() as object, plain) as never,
        classToPlain: (instance) => instance as object,
      },
      exceptionFactory: (errors) =>
        invalid(
          errors.flatMap(({ property, constraints = {} }) =>
            Object.values(constraints).map((rule) => ({ field: property, rule })),
          ),
        ),
    });
  }

  /** @throws Problem invalid-request */
  override async transform(raw: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const type = metadata.metatype as (new () => object) | undefined;
    if (!type || !this.toValidate(metadata)) return raw;
    const given = raw === undefined && isOptional(type) ? {} : raw;
    if (!isRecord(given)) throw invalid([{ field: 'body', rule: 'must be a JSON object' }]);
    const known = fieldsOf(type);
    const unknown = Object.keys(given)
      .filter((field) => !known.has(field))
      .map((field) => ({ field: printable(field), rule: 'is not a field of this request' }));
    const fields = Object.fromEntries(Object.entries(given).filter(([field]) => known.has(field)));
    const checked: unknown = await super.transform(fields, metadata).catch((error: unknown) => {
      throw error instanceof Problem ? invalid([...unknown, ...(error.violations ?? [])]) : error;
    });
    if (unknown.length > 0) throw invalid(unknown);
    const broken = checked instanceof RequestBody ? checked.rules() : [];
    if (broken.length > 0) throw invalid(broken);
    return checked;
  }

  /** The JSON parser refuses prototypes, and the directory refuses such names in a policy. Neither drops them silently. */
  protected override stripProtoKeys(): void {
    return undefined;
  }
}

function isOptional(type: object): boolean {
  return (type as Partial<typeof RequestBody>).isOptional === true;
}

/** The fields that have a rule. */
function fieldsOf(type: new () => object): ReadonlySet<string> {
  const rules = getMetadataStorage().getTargetValidationMetadatas(type, '', true, false);
  return new Set(rules.map((rule) => rule.propertyName));
}

/** A name that looks like one is shown to help; anything else may be a secret in the wrong place. */
function printable(field: string): string {
  return /^[A-Za-z_]{1,40}$/.test(field) ? field : '(a field with an unusual name)';
}
