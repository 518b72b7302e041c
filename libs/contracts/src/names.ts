import { Matches, type ValidationOptions } from 'class-validator';

/** Ids of tenants and agents: lower case, safe in URLs, in user names of Basic authentication and in topic keys. */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9_-]{0,62}$/;
/**
 * Ids of subjects, such as customer numbers, are chosen by the tenant: printable, without spaces and slashes. They do not end
 * with a full stop, because speech recognition and models append one: "80412." must mean the subject "80412".
 */
export const SUBJECT_PATTERN = /^[A-Za-z0-9](?:[A-Za-z0-9._:@+-]{0,126}[A-Za-z0-9_:@+-])?$/;

/** The name of an audit log in its checkpoints, unless a setting gives another one. */
export const DEFAULT_LOG_ORIGIN = 'countersign.local/audit';

export const IsName = (options?: ValidationOptions): PropertyDecorator =>
  Matches(NAME_PATTERN, {
    message: '$property must be 1 to 63 of a-z, 0-9, _ and -, and begin with a letter or digit',
    ...options,
  });

export const IsSubjectId = (options?: ValidationOptions): PropertyDecorator =>
  Matches(SUBJECT_PATTERN, {
    message:
      '$property must be 1 to 128 letters, digits or . _ : @ + -, begin with a letter or digit, and not end with a full stop',
    ...options,
  });
