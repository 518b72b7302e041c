import { NAME_PATTERN, REASON_PATTERN, SUBJECT_PATTERN } from '@countersign/contracts';
import { toE164 } from '@countersign/normalization';
import { applyDecorators } from '@nestjs/common';
import { IsISO8601, Matches, ValidateIf } from 'class-validator';
import { Described, Field, portablePattern, type Keywords } from './described.js';

const NAME_RULE = 'must be 1 to 63 of a-z, 0-9, _ and -, and begin with a letter or digit';
export const SUBJECT_RULE =
  'must be 1 to 128 letters, digits or . _ : @ + -, begin with a letter or digit, and not end with a full stop';
export const PHONE_RULE = 'must be a possible telephone number with its country code, such as +12025550100';
export const PIN_RULE = 'must be a string of 4 to 8 digits';

/** The tenant of an event: a tenant, or the installation itself. */
export const TENANT_OF_EVENTS_PATTERN = /^(_installation|[a-z0-9][a-z0-9_-]{0,62})$/;
/** Texts that people read. A control character or half of a surrogate pair reaches no database, terminal or voice. */
export const TEXT_PATTERN = /^[^\p{Cc}\p{Cs}]{1,200}$/u;
export const TEXT_RULE = 'must be a text of 1 to 200 characters without control characters';
/** Ids of calls come from telephone platforms: printable ASCII. */
const CALL_PATTERN = /^[\x21-\x7e]{1,256}$/;
const CALL_RULE = 'must be 1 to 256 printable ASCII characters without spaces';
/** ASCII digits only: a program does not send spoken numbers. */
const PIN_PATTERN = /^[0-9]{4,8}$/;

/** In the versions and the variant of RFC 9562, as the commands require it. */
const ID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * The part of ISO 8601 that RFC 3339 accepts too, in the years that every reader knows: no weeks, no months alone. Offsets are those
 * in use, up to 14 hours; PostgreSQL refuses 16.
 */
const TIME_PATTERN = /^2\d{3}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-](0\d|1[0-4]):[0-5]\d)$/;
const TIME_RULE = 'must be a time with its time zone, such as 2027-01-31T12:00:00Z';

/** A field that may be absent. It must not be null. */
export const Optional = (): PropertyDecorator => ValidateIf((_body, value) => value !== undefined);
/** A field of a merge patch, where null clears the value. Replaces {@link Optional} of a parent class. */
export const Clearable = (): PropertyDecorator => ValidateIf((_body, value) => value !== undefined && value !== null);

export const IsNameOf = (meaning: string): PropertyDecorator =>
  applyDecorators(Field(meaning), Matches(NAME_PATTERN, { message: NAME_RULE }));
export const IsSubjectIdField = (): PropertyDecorator =>
  applyDecorators(
    Field("The tenant's own id of the subject, such as a customer number"),
    Matches(SUBJECT_PATTERN, { message: SUBJECT_RULE }),
  );
export const IsCallId = (meaning = 'Id of the telephone call'): PropertyDecorator =>
  applyDecorators(Field(meaning), Matches(CALL_PATTERN, { message: CALL_RULE }));
/** The id of a resource that the API named itself. */
export const IsIdOf = (meaning: string): PropertyDecorator =>
  applyDecorators(
    Field(meaning, { format: 'uuid' }),
    Matches(ID_PATTERN, { message: 'must be an id that the API returned' }),
  );
export const IsText = (meaning: string): PropertyDecorator =>
  applyDecorators(Field(meaning), Matches(TEXT_PATTERN, { message: TEXT_RULE }));
export const IsPin = (meaning: string): PropertyDecorator =>
  applyDecorators(Field(meaning, { writeOnly: true }), Matches(PIN_PATTERN, { message: PIN_RULE }));
/** A time; {@link Date} reads it, and the services publish it in one spelling. */
export const IsTime = (meaning: string): PropertyDecorator =>
  applyDecorators(
    Field(meaning, { format: 'date-time' }),
    Matches(TIME_PATTERN, { message: TIME_RULE }),
    IsISO8601({ strict: true, strictSeparator: true }, { message: TIME_RULE }),
  );
/** The reason for a change, which is stored as it is given. */
export const IsReason = (): PropertyDecorator =>
  applyDecorators(
    Field(
      'Reason for the change. It is stored as given and is part of the event: do not write names or numbers into it',
    ),
    Matches(REASON_PATTERN, { message: TEXT_RULE }),
  );

/**
 * A telephone number. Its rule is checked with the rules of the whole body, by {@link e164}. Which numbers are possible is a table
 * that no pattern can state.
 */
const PHONE: Keywords = { type: 'string', format: 'phone' };
export const PHONE_KEYWORDS: Keywords = { ...PHONE, examples: ['+12025550100'] };
/** The same in a query: the example belongs to the parameter, which has no list of examples. */
export const PHONE_QUERY_KEYWORDS: Keywords = { ...PHONE, example: '+12025550100' };
export const ANSWER_KEYWORDS: Keywords = {
  minProperties: 1,
  maxProperties: 10,
  propertyNames: { pattern: '^[a-z][a-z0-9_]{0,62}$' },
  additionalProperties: { type: 'string', pattern: portablePattern(TEXT_PATTERN.source), writeOnly: true },
};

/** The number in E.164; undefined for everything that is not a possible number with its country code. */
export function e164(value: unknown): string | undefined {
  return typeof value === 'string' ? toE164(value) : undefined;
}

@Described()
export class TenantPath {
  @IsNameOf('Name of the tenant') tenant!: string;
}

@Described()
export class AgentPath extends TenantPath {
  @IsNameOf('Name of the agent') agent!: string;
}

@Described()
export class KeyPath extends TenantPath {
  @IsNameOf('Id of the API key') keyId!: string;
}

@Described()
export class SubjectPath extends TenantPath {
  @IsSubjectIdField() subject!: string;
}

@Described()
export class CallPath {
  @IsCallId() callId!: string;
}
