import { type Balancer } from '../balancer.js';
import { newName } from '../client.js';
import { type Load, type Target } from '../load.js';
import { type SeparateProduct } from '../product.js';

const ANSWER_LIMIT_MS = 120_000;
const PAUSE_MS = 50;
const LIMIT_MS = 90_000;
/** At the same time, so that a copy with half of the partitions also has work. */
const ADMINISTRATORS = 2;

/**
 * While the load runs, administrators update the tenant, create a subject, enrol its PIN and verify it, one after the
 * other. A request without an acknowledgement is sent again.
 */
export class Enrolments {
  /** Subjects whose enrolment was acknowledged. */
  readonly done: string[] = [];
  readonly #product: SeparateProduct;
  readonly #balancer: Balancer;
  readonly #load: Load;
  readonly #target: Target;
  readonly #policy: unknown;
  #stopped = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(product: SeparateProduct, balancer: Balancer, load: Load, target: Target, policy: unknown) {
    this.#product = product;
    this.#balancer = balancer;
    this.#load = load;
    this.#target = target;
    this.#policy = policy;
  }

  start(): void {
    this.#running = Promise.all(Array.from({ length: ADMINISTRATORS }, () => this.#run()));
    this.#running.catch(() => undefined);
  }

  /** @throws Error when a request was not acknowledged within 90 seconds */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const { tenant } = this.#target.agent;
    while (!this.#stopped) {
      const subject = newName('fresh');
      await this.#put(`/v1/tenants/${tenant}`, { name: tenant, policy: this.#policy });
      await this.#put(`/v1/tenants/${tenant}/subjects/${subject}`, {});
      await this.#put(`/v1/tenants/${tenant}/subjects/${subject}/pin`, { pin: this.#target.pin });
      this.done.push(subject);
      await this.#load.attempt(this.#target, subject, true);
    }
  }

  async #put(path: string, body: unknown): Promise<void> {
    const since = Date.now();
    for (let last = 'no adapter listens'; ;) {
      const chosen = this.#balancer.next('rest-adapter');
      const status = chosen && (await this.#send(`${chosen.url}${path}`, body));
      if (status === 200 || status === 201 || status === 204) return;
      // 0: the connection broke; 503: no answer in time. Any other status is a refusal, and a retry does not help.
      if (status !== undefined && status !== 0 && status !== 503) throw new Error(`PUT ${path} is refused: ${status}`);
      if (status !== undefined) last = String(status);
      if (Date.now() - since > LIMIT_MS) throw new Error(`PUT ${path} was never acknowledged: ${last}`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #send(url: string, body: unknown): Promise<number> {
    try {
      const response = await fetch(url, {
        method: 'PUT',
        headers: { authorization: `Bearer ${this.#product.adminKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return 0;
    }
  }
}
