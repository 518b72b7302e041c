import { ValidateBy, type ValidationOptions } from 'class-validator';
import { Secret } from '@countersign/crypto';

/** A setting of type {@link Secret} of at least `min` characters. */
export function IsSecret(min = 1, options?: ValidationOptions): PropertyDecorator {
  return ValidateBy(
    {
      name: 'isSecret',
      validator: {
        validate: (value: unknown) => value instanceof Secret && value.reveal().length >= min,
        defaultMessage: () =>
          min > 1 ? `$property must be set, with at least ${min} characters` : '$property must be set',
      },
    },
    options,
  );
}
