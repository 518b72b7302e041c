import { inspect } from 'node:util';

const REDACTED = '[secret]';

/**
 * A secret that cannot be printed: strings, templates, JSON and the inspector show `[secret]`. Only `reveal` returns the
 * value, so a search for it finds every place that can leak.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.toPrimitive](): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
