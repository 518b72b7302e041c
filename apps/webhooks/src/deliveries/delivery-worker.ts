import { inFairOrder, SharedSlots } from '@countersign/fairness';
import { type DueQueue, type DeliveryQueues, type LeasedDelivery } from './deliveries.ports.js';
import { type DeliverEvent, type DeliveryAttempt } from './deliver-event.use-case.js';

export interface DeliveryWorkerOptions {
  readonly queues: DeliveryQueues;
  readonly deliver: Pick<DeliverEvent, 'deliver'>;
  /** Requests of this copy at a time; tenants share them, see {@link SharedSlots}. */
  readonly maxInFlight: number;
  /** Requests of this copy to one URL at a time. */
  readonly maxPerUrl: number;
  /** How long a queue stays leased: longer than one attempt takes. */
  readonly leaseSeconds: number;
  /** How often due queues are looked for without a wake, in milliseconds. */
  readonly pollMs: number;
  readonly onAttempt: (leased: LeasedDelivery, attempt: DeliveryAttempt) => void;
  readonly onError: (error: unknown) => void;
}

/** After as many failures in a row a webhook gets one request at a time, until one succeeds. */
export const FAILURES_UNTIL_PROBING = 5;

/**
 * Sends what is due. Tenants take turns, then the webhooks of a tenant; queues of one webhook start in the order in which they
 * became due. A slow receiver delays only itself.
 */
export class DeliveryWorker {
  readonly #options: DeliveryWorkerOptions;
  readonly #slots: SharedSlots;
  readonly #inFlightByUrl = new Map<string, number>();
  readonly #sending = new Set<Promise<void>>();
  #loop: Promise<void> | undefined;
  #isWoken = false;
  #isClosing = false;
  #interrupt: (() => void) | undefined;

  constructor(options: DeliveryWorkerOptions) {
    this.#options = options;
    this.#slots = new SharedSlots(options.maxInFlight);
  }

  /** Requests in flight. */
  get inFlight(): number {
    return this.#slots.taken;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Looks for due queues now. */
  wake(): void {
    this.#isWoken = true;
    this.#interrupt?.();
  }

  /** Starts nothing more, and waits for the requests in flight, whose time is limited. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#interrupt?.();
    await this.#loop;
    await Promise.all(this.#sending);
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      this.#isWoken = false;
      await this.#sendDue().catch(this.#options.onError);
      if (!this.#isWoken && !this.#isClosing) await this.#pause();
    }
  }

  async #sendDue(): Promise<void> {
    const { queues, maxPerUrl, leaseSeconds } = this.#options;
    if (this.#slots.taken >= this.#slots.size) return;
    const chosen = this.#choose(await queues.due(maxPerUrl));
    if (chosen.length === 0) return;
    const release = (queue: DueQueue): void => this.#release(queue);
    const leased = await queues.lease(chosen, leaseSeconds).catch((error: unknown) => {
      chosen.forEach(release);
      throw error;
    });
    for (const queue of chosen) {
      const first = leased.find((one) => one.webhook === queue.webhook && one.queue === queue.queue);
      if (first === undefined) release(queue);
      else this.#send(queue, first);
    }
  }

  /** Takes a slot for each queue that may start now. */
  #choose(due: readonly DueQueue[]): DueQueue[] {
    const ordered = inFairOrder(due, ({ tenant, webhook }) => ({ tenant, agent: webhook, caller: '' }));
    return ordered.filter(({ tenant, url, failures }) => {
      const most = failures >= FAILURES_UNTIL_PROBING ? 1 : this.#options.maxPerUrl;
      const inFlight = this.#inFlightByUrl.get(url) ?? 0;
      if (inFlight >= most || this.#slots.taken >= this.#slots.size || !this.#slots.mayTake(tenant)) return false;
      this.#slots.take(tenant);
      this.#inFlightByUrl.set(url, inFlight + 1);
      return true;
    });
  }

  #send(queue: DueQueue, leased: LeasedDelivery): void {
    const sending = this.#options.deliver
      .deliver(leased)
      .then((attempt) => this.#options.onAttempt(leased, attempt), this.#options.onError)
      .finally(() => {
        this.#sending.delete(sending);
        this.#release(queue);
        // The queue may have a further delivery, and a slot is free.
        this.wake();
      });
    this.#sending.add(sending);
  }

  #release({ tenant, url }: DueQueue): void {
    this.#slots.release(tenant);
    const inFlight = (this.#inFlightByUrl.get(url) ?? 0) - 1;
    if (inFlight > 0) this.#inFlightByUrl.set(url, inFlight);
    else this.#inFlightByUrl.delete(url);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#interrupt = undefined;
        resolve();
      };
      const timer = setTimeout(end, this.#options.pollMs);
      this.#interrupt = end;
    });
  }
}
