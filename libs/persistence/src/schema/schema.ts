import { ServiceError } from '@countersign/runtime';

/** Schema names are written into SQL, so only names that need no quoting are allowed. */
const SCHEMA_NAME = /^[a-z][a-z0-9_]{0,40}$/;

/** @throws ServiceError SETTINGS_INVALID for a name that is not 1 to 41 of a-z, 0-9 and _, beginning with a letter */
export function checkSchemaName(schema: string): string {
  if (SCHEMA_NAME.test(schema)) return schema;
  const rule = 'must be 1 to 41 of a-z, 0-9 and _, and begin with a letter';
  throw new ServiceError('SETTINGS_INVALID', `The name of a database schema ${rule}`, false);
}

/**
 * Adds the search path and other parameters to a connection URL. As start-up parameters they cost no round trip.
 * Existing options of the URL are kept.
 * @throws ServiceError SETTINGS_INVALID when it is not a URL
 */
export function withSearchPath(url: string, schema: string, more: Readonly<Record<string, string>> = {}): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^postgres(ql)?:$/.test(parsed.protocol)) {
    const form = 'postgres://user:password@host:port/database';
    throw new ServiceError('SETTINGS_INVALID', `DATABASE_URL must have the form ${form}`, false);
  }
  const options = parsed.searchParams.get('options');
  const added = Object.entries({ search_path: schema, ...more }).map(([name, value]) => `-c ${name}=${value}`);
  parsed.searchParams.set('options', [...(options === null ? [] : [options]), ...added].join(' '));
  return parsed.href;
}
