import { randomUUID } from 'node:crypto';
import {
  KeyComparisonRequested,
  KeysCompared,
  message,
  RECEIPT_PUBLIC_KEYS,
  type SettingKeys,
} from '@countersign/contracts';
import { type FatalHandler, type Host } from '@countersign/hosting';
import { type BusClient } from '@countersign/messaging';
import { METRICS } from '@countersign/observability';
import { ServiceError, settingsInvalid } from '@countersign/runtime';

/** Wait for the first answer during the start, in milliseconds. It is short, because services start in any order. */
const START_TIMEOUT_MS = 1_000;
const TIMEOUT_MS = 5_000;
/** Pauses between comparisons, in milliseconds: until the first answer, and after it. */
const UNANSWERED_PAUSE_MS = 2_000;
const PAUSE_MS = 60_000;

/** With a wrong key of these an adapter sends wrong names; with others it is only refused. The process must stop. */
const FATAL_SETTINGS = ['IDENTIFIER_KEY'];

/** The rule that a setting has to satisfy, and how to satisfy it. */
const CORRECTIONS: Readonly<Record<string, string>> = {
  SEALING_PUBLIC_KEYS:
    'must begin with the public half of a key in the SEALING_PRIVATE_KEYS of verification: copy it from the same secrets folder',
  IDENTIFIER_KEY:
    'must hold every key that the verification service requires: copy it from the same secrets folder, or see "Changing IDENTIFIER_KEY" in docs/operations.md',
  [RECEIPT_PUBLIC_KEYS]:
    'must hold the public half of the first key in the RECEIPT_KEYS of verification: countersign keys public prints it',
  CAPTURE_TOKEN_KEY:
    'must hold the key that the other copies of this service use: to change it, add the new key last everywhere, then move it to the front',
};

/** What a setting of an adapter must hold when verification finds that its keys do not match, to follow on its name. */
export const keyCorrection = (setting: string): string => CORRECTIONS[setting] ?? 'must match the verification service';

/**
 * Compares the keys of an adapter with those of the verification service: once during the start, then every minute. A process
 * with mismatched keys is not ready, logs the settings and reports them as `countersign_keys_mismatched`.
 */
export class KeyComparison {
  readonly #mismatched = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(
    private readonly host: Host,
    private readonly bus: BusClient,
    private readonly settings: readonly SettingKeys[],
    private readonly fatal: FatalHandler,
  ) {}

  /**
   * Without an answer in the first second the adapter starts, and compares its keys as soon as verification answers.
   * @throws ServiceError SETTINGS_INVALID that names each mismatched setting and how to correct it
   */
  static async begin(host: Host, bus: BusClient, settings: readonly SettingKeys[], fatal: FatalHandler): Promise<void> {
    const comparison = new KeyComparison(host, bus, settings, fatal);
    const compared = await comparison.#compare(START_TIMEOUT_MS);
    if (comparison.#mismatched.size > 0) throw comparison.#fault();
    host.health.add('keys', () => comparison.#mismatched.size === 0);
    const hide = METRICS.keysMismatched.read(() =>
      settings.map(({ setting }) => ({
        labels: { service: host.name, setting },
        value: comparison.#mismatched.has(setting) ? 1 : 0,
      })),
    );
    comparison.#schedule(compared);
    host.onClose(() => {
      comparison.#closed = true;
      clearTimeout(comparison.#timer);
      hide();
      return Promise.resolve();
    });
  }

  #schedule(compared: boolean): void {
    if (this.#closed) return;
    this.#timer = setTimeout(
      () => void this.#again().then((answered) => this.#schedule(answered)),
      compared ? PAUSE_MS : UNANSWERED_PAUSE_MS,
    );
    this.#timer.unref();
  }

  async #again(): Promise<boolean> {
    const before = [...this.#mismatched].join();
    const answered = await this.#compare(TIMEOUT_MS);
    if (this.#mismatched.size > 0 && before !== [...this.#mismatched].join()) {
      const fault = this.#fault();
      this.host.logger.error({ settings: [...this.#mismatched] }, fault.message);
      if (FATAL_SETTINGS.some((setting) => this.#mismatched.has(setting))) this.fatal(fault);
    }
    return answered;
  }

  /** @returns whether verification answered; without an answer the last result stays */
  async #compare(timeoutMs: number): Promise<boolean> {
    const { name: service } = this.host;
    try {
      const { mismatches } = await this.bus.request(
        message(KeyComparisonRequested, {
          commandId: `keys-${randomUUID()}`,
          service,
          settings: [...this.settings],
        }),
        KeysCompared,
        timeoutMs,
      );
      this.#mismatched.clear();
      // Without the right public keys, no other part of the answer is trustworthy.
      const trusted = mismatches.includes(RECEIPT_PUBLIC_KEYS) ? [RECEIPT_PUBLIC_KEYS] : mismatches;
      for (const setting of trusted) this.#mismatched.add(setting);
      return true;
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      if (!error.retriable) this.host.logger.warn({ err: error }, 'comparing the keys failed; retrying');
      return false;
    }
  }

  #fault(): ServiceError {
    return settingsInvalid([...this.#mismatched].map((setting) => `${setting} ${keyCorrection(setting)}`));
  }
}
