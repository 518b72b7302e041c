import { type Policy, type TextName } from '@countersign/contracts';
import { TEXTS } from './texts.js';

/** What holds where neither policy nor subject names a language. */
export const DEFAULT_LANGUAGE = 'en-US';

type Values = Readonly<Record<string, string>>;

/**
 * A text with its values, in the first language for which there is one: that of the subject, where it may be known,
 * that of the policy, American English. Placeholders that nobody fills vanish: they must not be read to the caller.
 * @param language of the subject; only after a success, because before it the language would tell that he is known
 */
export function speak(policy: Policy, name: TextName, values: Values = {}, language?: string): string {
  const fill = (text: string): string =>
    text.replace(/\{(\w*)\}/g, (_, key: string) => (Object.hasOwn(values, key) ? (values[key] ?? '') : '')).trim();
  const { own, builtIn } = find(policy, name, language);
  return (own === undefined ? '' : fill(own)) || fill(builtIn);
}

/** The text before its values are in it. */
export function template(policy: Policy, name: TextName, language?: string): string {
  const { own, builtIn } = find(policy, name, language);
  return own ?? builtIn;
}

/** The language in which a caller is spoken to before it is known who he is. */
export function languageOf(policy: Policy): string {
  return policy.language ?? DEFAULT_LANGUAGE;
}

/** The policy's own text, and the built-in one of the same language. */
function find(
  policy: Policy,
  name: TextName,
  language: string | undefined,
): { readonly own: string | undefined; readonly builtIn: string } {
  for (const tag of [language, policy.language, DEFAULT_LANGUAGE]) {
    if (tag === undefined) continue;
    const own = policyText(policy, tag, name);
    const builtIn = builtInText(tag, name);
    if (own !== undefined || builtIn !== undefined) return { own, builtIn: builtIn ?? TEXTS.en[name] };
  }
  return { own: undefined, builtIn: TEXTS.en[name] };
}

/** Under the tag itself, else under one of the same language: "es-MX" is understood where "es-ES" is spoken. */
function policyText(policy: Policy, tag: string, name: TextName): string | undefined {
  const related = Object.keys(policy.texts)
    .filter((other) => primary(other) === primary(tag))
    .sort();
  for (const one of [tag, ...related]) {
    const texts = Object.hasOwn(policy.texts, one) ? policy.texts[one] : undefined;
    const text: unknown = texts && Object.hasOwn(texts, name) ? texts[name] : undefined;
    if (typeof text === 'string') return text;
  }
  return undefined;
}

function builtInText(tag: string, name: TextName): string | undefined {
  const language = primary(tag);
  return Object.hasOwn(TEXTS, language) ? TEXTS[language as keyof typeof TEXTS][name] : undefined;
}

function primary(tag: string): string {
  return (tag.split('-')[0] ?? '').toLowerCase();
}
