const MEANINGS = new WeakMap<object, Map<string, string>>();

/** States in one sentence what a field means. Generated pages and start-up errors show it; Markdown code spans are allowed. */
export function Meaning(text: string): PropertyDecorator {
  return (target, field) => {
    const meanings = MEANINGS.get(target) ?? new Map<string, string>();
    MEANINGS.set(target, meanings.set(String(field), text));
  };
}

/** The meaning of a field, declared on the class or on one that it extends. Undefined: none is declared. */
export function meaningOf(type: abstract new () => object, field: string): string | undefined {
  for (let prototype: unknown = type.prototype; prototype; prototype = Object.getPrototypeOf(prototype)) {
    const meaning = MEANINGS.get(prototype)?.get(field);
    if (meaning !== undefined) return meaning;
  }
  return undefined;
}
