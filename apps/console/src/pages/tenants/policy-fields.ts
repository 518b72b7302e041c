import { isRecord } from '../../api/problem.js';

/** A field of the policy, as the description of the API has it. */
export interface PolicyField {
  /** Its names from the outside in, such as `limits`, `caller`, `limit`. */
  readonly path: readonly string[];
  readonly description: string;
}

/** What an operator wants to change, by the path of the field: JSON text, or null to inherit the value again. */
export type PolicyDraft = ReadonlyMap<string, string | null>;

/** A changed field: `undefined` after means that it is inherited again. */
export interface PolicyChange {
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

export const nameOf = (path: readonly string[]): string => path.join('.');

type Schema = Readonly<Record<string, unknown>>;

/**
 * The fields of the policy in the order of the description.
 * @param document the OpenAPI document
 */
export function policyFields(document: unknown): PolicyField[] {
  const schemas = recordAt(document, ['components', 'schemas']);
  const resolved = (schema: unknown): Schema => {
    if (!isRecord(schema)) return {};
    const { $ref, anyOf, allOf } = schema;
    if (typeof $ref === 'string') return resolved(schemas[$ref.split('/').at(-1) ?? '']);
    const parts = [anyOf, allOf].flatMap((list) => (Array.isArray(list) ? (list as unknown[]) : []));
    const group = parts.map(resolved).find((part) => isRecord(part['properties']));
    return group === undefined ? schema : { ...schema, ...group };
  };
  const fieldsOf = (schema: unknown, path: readonly string[]): PolicyField[] => {
    const { properties, description } = resolved(schema);
    if (!isRecord(properties)) return [{ path, description: typeof description === 'string' ? description : '' }];
    return Object.entries(properties).flatMap(([name, inner]) => fieldsOf(inner, [...path, name]));
  };
  return fieldsOf(schemas['PolicyPatch'], []);
}

/** The value at a path; undefined where there is none. */
export function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, name) => (isRecord(inner) ? inner[name] : undefined), value);
}

/** The level of a value. The entries of a map can have different ones. */
export function levelsAt(sources: unknown, path: readonly string[]): string[] {
  const found = valueAt(sources, path);
  if (typeof found === 'string') return [found];
  return isRecord(found) ? [...new Set(Object.values(found).filter((level) => typeof level === 'string'))] : [];
}

/** The fields of a draft that are no JSON. */
export function brokenFields(draft: PolicyDraft): string[] {
  return [...draft].filter(([, text]) => text !== null && parsed(text) === undefined).map(([name]) => name);
}

/** What a draft changes. A field that keeps its value is left out. @param policy the values in force */
export function changesOf(draft: PolicyDraft, policy: unknown): PolicyChange[] {
  return [...draft].flatMap(([path, text]) => {
    const before = valueAt(policy, path.split('.'));
    const after = text === null ? undefined : parsed(text);
    return text !== null && JSON.stringify(before) === JSON.stringify(after) ? [] : [{ path, before, after }];
  });
}

/** The merge patch (RFC 7396) of changes. */
export function patchOf(changes: readonly PolicyChange[]): Record<string, unknown> {
  const patch: Record<string, unknown> = {};
  for (const { path, before, after } of changes) {
    const names = path.split('.');
    const last = names.pop() ?? '';
    let inner = patch;
    for (const name of names) inner = (inner[name] ??= {}) as Record<string, unknown>;
    inner[last] = patchBetween(before, after);
  }
  return patch;
}

/** A merge keeps the entries that a patch does not name, so those that were taken out are null, and unchanged ones are left out. */
function patchBetween(before: unknown, after: unknown): unknown {
  if (!isRecord(before) || !isRecord(after)) return after ?? null;
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  return Object.fromEntries(changed.map((name) => [name, patchBetween(before[name], after[name])]));
}

/** @returns undefined for text that is no JSON; JSON has no such value */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const recordAt = (value: unknown, path: readonly string[]): Schema => {
  const found = valueAt(value, path);
  return isRecord(found) ? found : {};
};
