import { createHash } from 'node:crypto';
import { ArrayMaxSize, IsArray, IsOptional, Matches } from 'class-validator';

/** Most entity tags in one condition. */
export const MAX_ENTITY_TAGS = 32;
/** Base64url digits of a tag: 132 bits, so no two states of a resource have the same tag. */
const TAG_LENGTH = 22;
/** An entity tag as {@link entityTagOf} makes it. */
export const ENTITY_TAG_PATTERN = /^[\w-]{22}$/;
const TAG_OR_ANY = /^(\*|[\w-]{22})$/;

/**
 * What a resource must be for a change of it to be carried out (RFC 9110, section 13.1). The service that owns the resource
 * compares it with the locked row, in the transaction of the change.
 */
export class Preconditions {
  /** The resource has one of these tags; `*`: it exists. */
  @IsOptional() @IsArray() @ArrayMaxSize(MAX_ENTITY_TAGS) @Matches(TAG_OR_ANY, { each: true }) ifMatch?: string[];
  /** The resource has none of these tags; `*`: it does not exist. */
  @IsOptional() @IsArray() @ArrayMaxSize(MAX_ENTITY_TAGS) @Matches(TAG_OR_ANY, { each: true }) ifNoneMatch?: string[];
}

/** @param resource as the REST adapter shows it; undefined: there is none */
export function arePreconditionsMet(
  { ifMatch, ifNoneMatch }: Preconditions,
  resource: Readonly<Record<string, unknown>> | undefined,
): boolean {
  const names = (tags: readonly string[]): boolean =>
    resource !== undefined && (tags.includes('*') || tags.includes(entityTagOf(resource)));
  return (ifMatch === undefined || names(ifMatch)) && (ifNoneMatch === undefined || !names(ifNoneMatch));
}

/**
 * The part of a subject that its entity tag is about: what a change of the subject can overwrite. Counters and locks change with
 * every attempt of a caller, who could otherwise keep administrators from changing a subject.
 * @param subject as the REST adapter shows it
 */
export function taggedPartOfSubject(subject: object): Readonly<Record<string, unknown>> {
  const { subject: id, displayName, locale, phones, createdAt, updatedAt } = subject as Record<string, unknown>;
  return { subject: id, displayName, locale, phones, createdAt, updatedAt };
}

/**
 * The strong entity tag of a resource, without quotes. It depends on the values of the fields and not on their order, which
 * the database does not keep.
 */
export function entityTagOf(resource: Readonly<Record<string, unknown>>): string {
  const canonical = JSON.stringify(resource, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash('sha256').update(canonical).digest('base64url').slice(0, TAG_LENGTH);
}
