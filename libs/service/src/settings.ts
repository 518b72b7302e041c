import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { getMetadataStorage, validateSync } from 'class-validator';
import { Secret } from '@countersign/sealing';
import { withoutByteOrderMark } from './byte-order-mark.js';
import { ServiceError } from './errors.js';

export type Environment = Readonly<Record<string, string | undefined>>;

const HINTS = new WeakMap<object, Map<string, string>>();

/** Says in one sentence what a setting is for; shown when it is missing or wrong. */
export function Hint(text: string): PropertyDecorator {
  return (target, property) => {
    const hints = HINTS.get(target) ?? new Map<string, string>();
    HINTS.set(target, hints.set(String(property), text));
  };
}

/**
 * Reads the settings of a service from the environment. A settings class has one property per variable, named like it,
 * with a default or none, with class-validator rules, and of type string, number, boolean or {@link Secret}.
 * Each variable can also be given as `<NAME>_FILE`, the path of a file that holds the value (Docker and Kubernetes
 * secrets).
 * @throws ServiceError SETTINGS_INVALID that names every wrong variable and its rule, and no value
 */
export function loadSettings<T extends object>(settings: new () => T, env: Environment): T {
  const result = new settings();
  const faults: string[] = [];
  const rules = getMetadataStorage().getTargetValidationMetadatas(settings, '', true, false);
  for (const name of new Set(rules.map((rule) => rule.propertyName))) {
    try {
      const text = readVariable(env, name);
      if (text === undefined) continue;
      Object.assign(result, {
        [name]: convert(text, Reflect.getMetadata('design:type', settings.prototype as object, name)),
      });
    } catch (error) {
      faults.push(`${name}: ${(error as Error).message}`);
    }
  }
  for (const fault of validateSync(result, { validationError: { target: false, value: false } })) {
    faults.push(Object.values(fault.constraints ?? {}).join(', '));
  }
  if (faults.length === 0) return result;
  const lines = faults.map((fault) => `  ${fault}${hintFor(settings, fault)}`);
  throw new ServiceError('SETTINGS_INVALID', `These settings are missing or wrong:\n${lines.join('\n')}`, false);
}

function readVariable(env: Environment, name: string): string | undefined {
  const direct = env[name];
  if (direct !== undefined && direct !== '') return direct;
  const file = env[`${name}_FILE`];
  if (file === undefined || file === '') return undefined;
  try {
    return withoutByteOrderMark(readFileSync(file, 'utf8')).trimEnd();
  } catch {
    throw new Error(`the file named by ${name}_FILE cannot be read`);
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

function hintFor(settings: new () => object, fault: string): string {
  for (let proto: unknown = settings.prototype; proto; proto = Object.getPrototypeOf(proto)) {
    for (const [name, hint] of HINTS.get(proto) ?? []) {
      if (fault.startsWith(`${name} `) || fault.startsWith(`${name}:`)) return ` (${hint})`;
    }
  }
  return '';
}

/**
 * Builds something from a setting whose form only its maker can check (keys).
 * @throws ServiceError SETTINGS_INVALID that names the setting and the rule
 */
export async function checked<T>(name: string, make: () => T | Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    throw new ServiceError(
      'SETTINGS_INVALID',
      `These settings are missing or wrong:\n  ${name} ${(error as Error).message}`,
      false,
    );
  }
}
