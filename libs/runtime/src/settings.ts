import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { getMetadataStorage, validateSync } from 'class-validator';
import { meaningOf } from '@countersign/contracts';
import { Secret } from '@countersign/crypto';
import { ServiceError } from './service-error.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings of a service from the environment. A settings class has one property per variable, with the same name,
 * class-validator rules, a `@Meaning`, and the type string, number, boolean or {@link Secret}.
 *
 * `<NAME>_FILE` gives the path of a file with the value instead (Docker and Kubernetes secrets).
 * @throws ServiceError SETTINGS_INVALID that names every invalid variable, its rule and its meaning, and never a value
 */
export function loadSettings<T extends object>(settings: new () => T, env: Environment): T {
  const { values, faults } = readSettings(settings, env);
  if (faults.length === 0) return values;
  throw settingsInvalid(faults);
}

/** As {@link loadSettings}, but returns the faults. Settings with a fault are missing in `values` or invalid. */
export function readSettings<T extends object>(
  settings: new () => T,
  env: Environment,
): { readonly values: T; readonly faults: readonly string[] } {
  const result = new settings();
  const faults: string[] = [];
  const meaning = (name: string): string => {
    const text = meaningOf(settings, name);
    return text === undefined ? '' : ` (${text})`;
  };
  const rules = getMetadataStorage().getTargetValidationMetadatas(settings, '', true, false);
  for (const name of new Set(rules.map((rule) => rule.propertyName))) {
    try {
      const text = readVariable(env, name);
      if (text === undefined) continue;
      Object.assign(result, {
        [name]: convert(text, Reflect.getMetadata('design:type', settings.prototype as object, name)),
      });
    } catch (error) {
      faults.push(`${name}: ${(error as Error).message}${meaning(name)}`);
    }
  }
  for (const fault of validateSync(result, { validationError: { target: false, value: false } })) {
    faults.push(`${Object.values(fault.constraints ?? {}).join(', ')}${meaning(fault.property)}`);
  }
  return { values: result, faults };
}

/** The files that the environment names for the secret settings of a class. */
export function secretFilesOf(
  settings: new () => object,
  env: Environment,
): { readonly setting: string; readonly file: string }[] {
  return Object.keys(env).flatMap((variable) => {
    const [setting, file] = [variable.replace(/_FILE$/, ''), env[variable]];
    if (setting === variable || !file || env[setting]) return [];
    const type: unknown = Reflect.getMetadata('design:type', settings.prototype as object, setting);
    return type === Secret ? [{ setting, file }] : [];
  });
}

/** Settings that are missing or wrong. */
class SettingsFault extends ServiceError {
  constructor(readonly faults: readonly string[]) {
    const lines = faults.map((fault) => `  ${fault}`).join('\n');
    super('SETTINGS_INVALID', `These settings are missing or wrong:\n${lines}`, false);
  }
}

/** The error about one or more settings. @param faults each begins with a setting's name and contains no value */
export function settingsInvalid(faults: readonly string[]): ServiceError {
  return new SettingsFault(faults);
}

/** The faults of an error SETTINGS_INVALID; undefined for any other error. */
export function settingFaultsOf(error: unknown): readonly string[] | undefined {
  if (error instanceof SettingsFault) return error.faults;
  return error instanceof ServiceError && error.code === 'SETTINGS_INVALID' ? [error.message] : undefined;
}

function readVariable(env: Environment, name: string): string | undefined {
  const direct = env[name];
  if (direct !== undefined && direct !== '') return direct;
  const file = env[`${name}_FILE`];
  if (file === undefined || file === '') return undefined;
  try {
    return withoutByteOrderMark(readFileSync(file, 'utf8')).trimEnd();
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new Error(`the file named by ${name}_FILE cannot be read (${code})`);
  }
}

function convert(text: string, type: unknown): unknown {
  if (type === Number) {
    if (!/^-?\d+(\.\d+)?$/.test(text.trim())) throw new Error('must be a number');
    return Number(text);
  }
  if (type === Boolean) {
    if (text !== 'true' && text !== 'false') throw new Error('must be true or false');
    return text === 'true';
  }
  return type === Secret ? new Secret(text) : text;
}

/**
 * Builds a value, such as a key, from a setting that only the code which builds it can validate.
 * @throws ServiceError SETTINGS_INVALID that names the setting and the rule
 */
export async function parseSetting<T>(name: string, build: () => T | Promise<T>): Promise<T> {
  try {
    return await build();
  } catch (error) {
    throw settingsInvalid([`${name} ${(error as Error).message}`]);
  }
}

/**
 * Waits for several calls of {@link parseSetting}.
 * @throws ServiceError SETTINGS_INVALID that names every setting with a fault; any other error as it is
 */
export async function allSettings<T extends readonly Promise<unknown>[]>(
  parts: readonly [...T],
): Promise<{ -readonly [Index in keyof T]: Awaited<T[Index]> }> {
  const faults: string[] = [];
  for (const result of await Promise.allSettled(parts)) {
    if (result.status === 'fulfilled') continue;
    const found = settingFaultsOf(result.reason);
    if (found === undefined) throw result.reason;
    faults.push(...found);
  }
  if (faults.length > 0) throw settingsInvalid(faults);
  return Promise.all(parts);
}

/**
 * Removes the byte order mark that some editors write before UTF-8. Node keeps it as U+FEFF, which JSON and keys must not
 * contain.
 */
export function withoutByteOrderMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}
