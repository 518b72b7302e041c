import { randomUUID } from 'node:crypto';
import { message, ReceiptKeysAnswered, ReceiptKeysRequested } from '@countersign/contracts';
import { ServiceError, type Clock } from '@countersign/service';
import { type CommandBus, type ReplyTimeout } from './ports.js';

type KeySet = ReceiptKeysAnswered['keySet'];

/** A key set is asked for anew after this time, in milliseconds. New keys are published long before they sign. */
const FRESH_MS = 60_000;

/**
 * The public keys of receipts, as the verification service has them. Anybody may ask for them, so they are kept: whoever
 * asks a million times causes a question a minute. When nobody answers, the last known ones are given: keys come and go
 * once in months.
 */
export class ReceiptKeySet {
  #known: { readonly keys: KeySet; readonly since: number } | undefined;
  #asking: Promise<KeySet> | undefined;

  constructor(
    private readonly bus: CommandBus,
    private readonly timeout: ReplyTimeout,
    private readonly clock: Clock,
  ) {}

  /** @throws ServiceError retriable, when nobody answers and none are known */
  async get(): Promise<KeySet> {
    if (this.#known && this.clock.now() - this.#known.since < FRESH_MS) return this.#known.keys;
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    try {
      return await this.#asking;
    } catch (error) {
      if (this.#known && error instanceof ServiceError && error.retriable) return this.#known.keys;
      throw error;
    }
  }

  async #ask(): Promise<KeySet> {
    const question = message(ReceiptKeysRequested, { commandId: `rest-${randomUUID()}` });
    const { keySet } = await this.bus.ask(question, ReceiptKeysAnswered, this.timeout.milliseconds);
    this.#known = { keys: keySet, since: this.clock.now() };
    return keySet;
  }
}
