import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { repositoryRoot } from './kafka-jars.js';

const CLASS_NAMES: Readonly<Record<number, string>> = {
  3001: 'account_change',
  3002: 'authentication',
  6003: 'api_activity',
};

/** Not strict: the published schemas use combinations that ajv reports as suspicious, and all of them are valid. */
const ajv = new Ajv2020({ strict: false, allErrors: true });
const compiled = new Map<string, ValidateFunction>();

/**
 * What the schema of its version and class (fixtures in `libs/testing/ocsf`) objects to in an event; empty when it is valid.
 * The schemas allow no field that they do not name.
 */
export function ocsfFaults(event: unknown): string[] {
  const { class_uid: classUid, metadata } = event as { class_uid?: number; metadata?: { version?: string } };
  const name = CLASS_NAMES[classUid ?? 0];
  if (name === undefined) return [`class_uid ${classUid} is none of ${Object.keys(CLASS_NAMES).join(', ')}`];
  const validate = validatorOf(`${metadata?.version}-${name}`);
  if (validate(event)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath || '/'} ${message} ${JSON.stringify(params)}`,
  );
}

/** @throws Error when there is no schema of this version */
function validatorOf(name: string): ValidateFunction {
  const known = compiled.get(name);
  if (known) return known;
  const schema = ocsfSchema(name);
  const validate = ajv.compile(schema);
  compiled.set(name, validate);
  return validate;
}

/** @param name version and class, such as `1.8.0-authentication` */
export function ocsfSchema(name: string): { readonly $id: string } {
  const file = join(repositoryRoot(), 'libs', 'testing', 'ocsf', `${name}.schema.json`);
  return JSON.parse(readFileSync(file, 'utf8')) as { readonly $id: string };
}
