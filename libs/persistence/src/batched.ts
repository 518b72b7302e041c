import { type Requester } from '@countersign/contracts';
import { inFairOrder } from '@countersign/fairness';
import { ServiceError } from '@countersign/runtime';

export interface BatchedOptions<In, Out> {
  /**
   * Runs one statement for all inputs and returns an output for each, in the same order. Must also work for one input.
   * After an error that is not retriable, each input is run alone, because one of them may be at fault.
   */
  readonly run: (inputs: readonly In[]) => Promise<readonly Out[]>;
  /**
   * Rows that an input writes to. Inputs that share a row never share a batch, because a statement can write a row only
   * once.
   */
  readonly rows?: (input: In) => readonly string[];
  /**
   * The requester of an input. When more inputs wait than fit in a batch, the batch is filled in fair order. Default:
   * none.
   */
  readonly requesterOf?: (input: In) => Requester;
  /** The maximum number of inputs in a batch. Default 64. */
  readonly size?: number;
  /**
   * The maximum number of statements in flight. A tenant may start one more while it has fewer than are free. So with
   * the default of 3 a single tenant has 2, and the first input of another tenant starts at once.
   */
  readonly concurrency?: number;
  /**
   * Whether more inputs of the same tenant are certain to follow shortly; a batch that is not full waits for them then.
   * Default: never.
   */
  readonly expectsMore?: (input: In) => boolean;
  /** The maximum time that an input waits for others, in milliseconds. Default 40. */
  readonly lingerMs?: (input: In) => number;
  /** A batch of this size does not wait for more, because each further input saves little. Default 8. */
  readonly fullSize?: number;
}

/**
 * The maximum number of inputs per tenant in a statement with several tenants, so that no tenant waits for the burst of
 * another.
 */
const SHARED_SIZE = 8;

interface Call<In, Out> {
  readonly input: In;
  readonly tenant: string;
  readonly rows: readonly string[];
  /** When it stops waiting for others, on the clock of `performance`. */
  readonly until: number;
  readonly resolve: (output: Out) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Combines calls into statements with many rows: calls of one turn of the event loop, and calls that arrive while
 * earlier statements are in flight. No call waits for others that may never come. A round trip, a plan and a flush to
 * disk cost as much for one row as for fifty. Tenants share the statements: the next one goes to a tenant without a
 * statement in flight.
 */
export class Batched<In, Out> {
  readonly #options: Required<BatchedOptions<In, Out>>;
  #waiting: Call<In, Out>[] = [];
  #running = 0;
  /** Statements in flight with inputs of each tenant. */
  readonly #inFlightByTenant = new Map<string, number>();
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BatchedOptions<In, Out>) {
    const requesterOf = (): Requester => ({ tenant: '', agent: '', caller: '' });
    const defaults = { requesterOf, rows: () => [], expectsMore: () => false, lingerMs: () => 40 };
    this.#options = { ...defaults, size: 64, concurrency: 3, fullSize: 8, ...options };
  }

  /** @throws what `run` throws for this input */
  call(input: In): Promise<Out> {
    const { rows, requesterOf, lingerMs } = this.#options;
    const { tenant } = requesterOf(input);
    const until = performance.now() + lingerMs(input);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ input, tenant, rows: rows(input), until, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#running >= this.#options.concurrency) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#lingers()) return;
      const calls = this.#takeBatch();
      if (calls.length === 0) return;
      const tenants = new Set(calls.map(({ tenant }) => tenant));
      this.#running++;
      for (const tenant of tenants) this.#addInFlight(tenant, 1);
      void this.#run(calls).finally(() => {
        this.#running--;
        for (const tenant of tenants) this.#addInFlight(tenant, -1);
        if (this.#waiting.length > 0) this.#schedule();
      });
      if (this.#waiting.length > 0) this.#schedule();
    });
  }

  /** Whether to wait for more inputs. Sets a timer for the earliest limit of the waiting calls. */
  #lingers(): boolean {
    clearTimeout(this.#timer);
    const { fullSize, expectsMore } = this.#options;
    if (this.#waiting.length === 0 || this.#waiting.length >= fullSize) return false;
    if (!this.#waiting.every(({ input }) => expectsMore(input))) return false;
    const remainingMs = Math.min(...this.#waiting.map(({ until }) => until)) - performance.now();
    if (remainingMs <= 0) return false;
    this.#timer = setTimeout(() => this.#schedule(), remainingMs);
    return true;
  }

  /**
   * Takes the next batch in fair order, otherwise by waiting time. A call that shares a row with an earlier one waits
   * for the next batch. Empty when every waiting tenant has its share of the statements in flight.
   */
  #takeBatch(): Call<In, Out>[] {
    const { size, requesterOf } = this.#options;
    const calls = this.#callsOfLeastBusyTenants();
    const isShared = calls.some(({ tenant }) => tenant !== calls[0]?.tenant);
    const maxPerTenant = isShared ? Math.min(size, SHARED_SIZE) : size;
    const ordered = isShared || calls.length > size ? inFairOrder(calls, ({ input }) => requesterOf(input)) : calls;
    const taken = new Set<Call<In, Out>>();
    const countByTenant = new Map<string, number>();
    const rows = new Set<string>();
    for (const call of ordered) {
      const count = countByTenant.get(call.tenant) ?? 0;
      const fits = taken.size < size && count < maxPerTenant && !call.rows.some((row) => rows.has(row));
      for (const row of call.rows) rows.add(row);
      if (!fits) continue;
      taken.add(call);
      countByTenant.set(call.tenant, count + 1);
    }
    this.#waiting = this.#waiting.filter((call) => !taken.has(call));
    return [...taken];
  }

  /** The calls of the tenants with the fewest statements in flight, if they may start one more. */
  #callsOfLeastBusyTenants(): Call<In, Out>[] {
    const statementsOf = ({ tenant }: Call<In, Out>): number => this.#inFlightByTenant.get(tenant) ?? 0;
    const fewest = this.#waiting.reduce((least, call) => Math.min(least, statementsOf(call)), Infinity);
    if (fewest >= this.#options.concurrency - this.#running) return [];
    return this.#waiting.filter((call) => statementsOf(call) === fewest);
  }

  #addInFlight(tenant: string, change: 1 | -1): void {
    const count = (this.#inFlightByTenant.get(tenant) ?? 0) + change;
    if (count === 0) this.#inFlightByTenant.delete(tenant);
    else this.#inFlightByTenant.set(tenant, count);
  }

  async #run(calls: readonly Call<In, Out>[]): Promise<void> {
    try {
      const outputs = await this.#options.run(calls.map(({ input }) => input));
      calls.forEach((call, at) => call.resolve(outputs[at] as Out));
    } catch (error) {
      const isFaultOfOneInput = !(error instanceof ServiceError && error.retriable) && calls.length > 1;
      if (isFaultOfOneInput) for (const call of calls) await this.#run([call]);
      else for (const { reject } of calls) reject(error);
    }
  }
}
