import { type Violation } from '@countersign/contracts';

/** Segments of a path that may be repeated in an answer; another one may be a secret in the wrong place. */
const PLAIN_SEGMENT = /^[A-Za-z0-9_-]{1,63}$/;

/** Text that no table, topic or terminal can carry as it is. */
const UNSTORABLE: readonly { readonly found: RegExp; readonly rule: string }[] = [
  // PostgreSQL has no character NUL, in text or in jsonb.
  { found: /\0/, rule: 'must not hold the character NUL' },
  // Half a pair has no form in UTF-8: PostgreSQL refuses it, and other writers put U+FFFD in its place.
  { found: /\p{Cs}/u, rule: 'must not hold half of a surrogate pair' },
];

/** What keeps a text from being stored as it is, as a rule that names no part of it; undefined: nothing. */
export function unstorableText(text: string): string | undefined {
  return UNSTORABLE.find(({ found }) => found.test(text))?.rule;
}

/**
 * What keeps a JSON value from being stored as it is: a text or a name of a field in it, or its depth, which exhausts the
 * stack of readers. Looks at the value without recursion, for the same reason.
 * @param field name of the value in the answer; the violation names the place below it, as far as its segments are plain
 * @param deepest levels of objects and arrays
 */
export function unstorableJson(value: unknown, field: string, deepest: number): Violation | undefined {
  const rest: { value: unknown; path: string; depth: number }[] = [{ value, path: field, depth: 1 }];
  for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
    const { value: one, path, depth } = next;
    if (typeof one === 'string') {
      const rule = unstorableText(one);
      if (rule !== undefined) return { field: path, rule };
    }
    if (typeof one !== 'object' || one === null) continue;
    if (depth > deepest) return { field, rule: `must not be nested more than ${deepest} levels deep` };
    for (const [key, inner] of Object.entries(one)) {
      const rule = unstorableText(key);
      if (rule !== undefined) return { field: path, rule: `has a field whose name ${rule}` };
      rest.push({ value: inner, path: below(path, key, Array.isArray(one)), depth: depth + 1 });
    }
  }
  return undefined;
}

function below(path: string, key: string, inArray: boolean): string {
  if (inArray) return `${path}[${key}]`;
  return PLAIN_SEGMENT.test(key) ? `${path}.${key}` : path;
}
