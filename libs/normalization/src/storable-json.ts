import { type Violation } from '@countersign/contracts';

/** Names of fields that may appear in an error. Any other name could be a secret in the wrong place. */
const PLAIN_SEGMENT = /^[A-Za-z0-9_-]{1,63}$/;

/** Characters that cannot be stored unchanged. */
const UNSTORABLE: readonly { readonly pattern: RegExp; readonly rule: string }[] = [
  // PostgreSQL accepts NUL neither in text nor in jsonb.
  { pattern: /\0/, rule: 'must not hold the character NUL' },
  // Half of a pair has no UTF-8 encoding: PostgreSQL refuses it, and other encoders replace it by U+FFFD.
  { pattern: /\p{Cs}/u, rule: 'must not hold half of a surrogate pair' },
];

/** The rule that a text violates, which quotes no part of it; undefined when it can be stored unchanged. */
export function unstorableText(text: string): string | undefined {
  return UNSTORABLE.find(({ pattern }) => pattern.test(text))?.rule;
}

/**
 * The reason why a JSON value cannot be stored unchanged: a text or a field name in it, or its depth, because deep nesting
 * overflows the stack of a recursive reader. Not recursive itself for the same reason.
 * @param field name of the value in the error; followed by the path below it, as far as its field names are harmless
 * @param maxDepth most levels of objects and arrays
 */
export function unstorableJson(value: unknown, field: string, maxDepth: number): Violation | undefined {
  const pending: { value: unknown; path: string; depth: number }[] = [{ value, path: field, depth: 1 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value: one, path, depth } = next;
    if (typeof one === 'string') {
      const rule = unstorableText(one);
      if (rule !== undefined) return { field: path, rule };
    }
    if (typeof one !== 'object' || one === null) continue;
    if (depth > maxDepth) return { field, rule: `must not be nested more than ${maxDepth} levels deep` };
    for (const [key, inner] of Object.entries(one)) {
      const rule = unstorableText(key);
      if (rule !== undefined) return { field: path, rule: `has a field whose name ${rule}` };
      pending.push({ value: inner, path: below(path, key, Array.isArray(one)), depth: depth + 1 });
    }
  }
  return undefined;
}

function below(path: string, key: string, inArray: boolean): string {
  if (inArray) return `${path}[${key}]`;
  return PLAIN_SEGMENT.test(key) ? `${path}.${key}` : path;
}
