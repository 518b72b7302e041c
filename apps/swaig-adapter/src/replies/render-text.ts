import { type Policy, type TextName } from '@countersign/contracts';
import { TEXTS } from './texts.js';

/** Language of texts if neither the policy nor the subject defines one. */
export const DEFAULT_LANGUAGE = 'en-US';

type TextValues = Readonly<Record<string, string>>;

/**
 * Renders a text in the first language that has it: the subject's, the policy's, American English. Placeholders without a
 * value are removed, because the voice agent would read them to the caller.
 * @param language the subject's language; only after a success, because before it the language would reveal that the
 * subject is known
 */
export function renderText(policy: Policy, name: TextName, values: TextValues = {}, language?: string): string {
  const fill = (text: string): string =>
    text.replace(/\{(\w*)\}/g, (_, key: string) => (Object.hasOwn(values, key) ? (values[key] ?? '') : '')).trim();
  const { custom, builtIn } = findTexts(policy, name, language);
  return (custom === undefined ? '' : fill(custom)) || fill(builtIn);
}

/** The text with its placeholders. */
export function textTemplate(policy: Policy, name: TextName, language?: string): string {
  const { custom, builtIn } = findTexts(policy, name, language);
  return custom ?? builtIn;
}

/** The language for a caller who is not verified yet. */
export function languageOf(policy: Policy): string {
  return policy.language ?? DEFAULT_LANGUAGE;
}

/** The policy's text, and the built-in text of the same language. */
function findTexts(
  policy: Policy,
  name: TextName,
  language: string | undefined,
): { readonly custom: string | undefined; readonly builtIn: string } {
  for (const tag of [language, policy.language, DEFAULT_LANGUAGE]) {
    if (tag === undefined) continue;
    const custom = policyText(policy, tag, name);
    const builtIn = builtInText(tag, name);
    if (custom !== undefined || builtIn !== undefined) return { custom, builtIn: builtIn ?? TEXTS.en[name] };
  }
  return { custom: undefined, builtIn: TEXTS.en[name] };
}

/** Finds a text under the tag itself, else under another tag of the same language: "es-ES" falls back to "es-MX". */
function policyText(policy: Policy, tag: string, name: TextName): string | undefined {
  const relatedTags = Object.keys(policy.texts)
    .filter((other) => primaryLanguage(other) === primaryLanguage(tag))
    .sort();
  for (const candidate of [tag, ...relatedTags]) {
    const texts = Object.hasOwn(policy.texts, candidate) ? policy.texts[candidate] : undefined;
    const text: unknown = texts && Object.hasOwn(texts, name) ? texts[name] : undefined;
    if (typeof text === 'string') return text;
  }
  return undefined;
}

function builtInText(tag: string, name: TextName): string | undefined {
  const language = primaryLanguage(tag);
  return Object.hasOwn(TEXTS, language) ? TEXTS[language as keyof typeof TEXTS][name] : undefined;
}

function primaryLanguage(tag: string): string {
  return (tag.split('-')[0] ?? '').toLowerCase();
}
