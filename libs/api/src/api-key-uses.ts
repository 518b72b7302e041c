import { ApiKeyUseReported, message, type ApiKeyPublished, type Message } from '@countersign/contracts';
import { type Host } from '@countersign/hosting';
import { toRecord } from '@countersign/messaging';

/** Reports to the directory when API keys are used. */
export abstract class ApiKeyUses {
  /** @param now milliseconds since 1970 */
  abstract used(key: ApiKeyPublished, now: number): void;
}

/** Shortest time between two reports about one key. */
const REPORT_EVERY_MS = 60_000;
/** Far more keys than are used within a minute. */
const MAX_KEYS = 10_000;

/** Reports the use of each API key to the directory, at most once a minute and process. */
export class ApiKeyUseReports extends ApiKeyUses {
  /** Times of the last reports by the id of the key, the oldest first. */
  readonly #reportedAt = new Map<string, number>();

  /** @param publish may fail: a lost report leaves the time of the last use a minute too old */
  constructor(private readonly publish: (report: Message) => void) {
    super();
  }

  static open(host: Host): ApiKeyUseReports {
    return new ApiKeyUseReports((report) => {
      host.broker
        .send([toRecord({ message: report })])
        .catch((error: unknown) => host.logger.warn({ err: error }, 'the use of an API key was not reported'));
    });
  }

  override used({ tenant, keyId }: ApiKeyPublished, now: number): void {
    if (now - (this.#reportedAt.get(keyId) ?? -Infinity) < REPORT_EVERY_MS) return;
    this.#reportedAt.delete(keyId);
    this.#reportedAt.set(keyId, now);
    const [oldest] = this.#reportedAt.keys();
    if (this.#reportedAt.size > MAX_KEYS && oldest !== undefined) this.#reportedAt.delete(oldest);
    this.publish(message(ApiKeyUseReported, { tenant, keyId, usedAt: new Date(now).toISOString() }));
  }
}
