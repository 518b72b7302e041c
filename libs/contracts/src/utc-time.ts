import { buildMessage, ValidateBy, type ValidationOptions } from 'class-validator';

/** What `Date.toISOString` writes, with up to nine digits of a second: a part of ISO 8601 that `Date.parse` and PostgreSQL read alike. */
const UTC_TIME_PATTERN = /^(19[7-9]\d|[2-9]\d{3})-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?Z$/;

/**
 * Whether a value is a time in UTC from 1970 to 9999, in the one form that services write. ISO 8601 has more forms, such as weeks,
 * days of a year and 24:00. `Date.parse` reads them as NaN, and no comparison with NaN is true.
 */
export function isUtcTime(value: unknown): value is string {
  if (typeof value !== 'string' || !UTC_TIME_PATTERN.test(value)) return false;
  const time = Date.parse(value);
  // Date.parse reads February 30 as a day in March.
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(value.slice(0, 10));
}

/** A time that a program wrote into a message. */
export const IsUtcTime = (options?: ValidationOptions): PropertyDecorator =>
  ValidateBy(
    {
      name: 'isUtcTime',
      validator: {
        validate: isUtcTime,
        defaultMessage: buildMessage(
          (each) => `${each}$property must be a time in UTC such as 2027-01-31T12:00:00.000Z`,
          options,
        ),
      },
    },
    options,
  );
