import { type Requester } from '@countersign/contracts';
import { inFairOrder } from '@countersign/fairness';
import { ServiceError } from '@countersign/runtime';

export interface BatchedOptions<In, Out> {
  /**
   * One statement for all inputs; an output for each, in their order. One input alone must do as well. An error that is
   * not retriable is taken for the fault of one input, and each is tried alone.
   */
  readonly run: (inputs: readonly In[]) => Promise<readonly Out[]>;
  /** Rows that an input writes to. Inputs that share one never share a batch: a statement writes to a row once. */
  readonly rows?: (input: In) => readonly string[];
  /** On whose behalf an input is handled: when more wait than a batch takes, they take turns. Default: nobody's. */
  readonly requesterOf?: (input: In) => Requester;
  /** Inputs of one batch, at most. Default 64. */
  readonly size?: number;
  /**
   * Statements under way, at most. A tenant may begin one more while it has fewer than are free, so with the default of 3
   * one tenant alone has 2, and the first input of another one begins at once.
   */
  readonly concurrency?: number;
  /**
   * Whether more inputs of the same tenant are certain to follow within moments: then a batch that is not full waits for
   * them. Default: never.
   */
  readonly moreToCome?: (input: In) => boolean;
  /** How long an input waits for them at most, in milliseconds. Default 40. */
  readonly lingerMs?: (input: In) => number;
  /** A batch of so many does not wait for more: what each further one saves gets small. Default 8. */
  readonly enough?: number;
}

/** Inputs of one tenant in a statement that it shares, at most: nobody waits for the rows of a burst in somebody else's statement. */
const SHARED_SIZE = 8;

interface Call<In, Out> {
  readonly input: In;
  readonly tenant: string;
  readonly rows: readonly string[];
  /** Until when it waits for others, on the clock of `performance`. */
  readonly until: number;
  readonly resolve: (output: Out) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers calls into statements of many rows: those of one turn of the event loop, and those that come while the
 * statements before them are under way. Nothing waits for what may never come. A round trip, a plan and a flush to disk
 * cost as much for one row as for fifty. Tenants share the statements: one that has none under way gets the next one.
 */
export class Batched<In, Out> {
  readonly #options: Required<BatchedOptions<In, Out>>;
  #waiting: Call<In, Out>[] = [];
  #running = 0;
  /** Statements under way with inputs of each tenant. */
  readonly #underWay = new Map<string, number>();
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BatchedOptions<In, Out>) {
    const requesterOf = (): Requester => ({ tenant: '', agent: '', caller: '' });
    const alone = { requesterOf, rows: () => [], moreToCome: () => false, lingerMs: () => 40 };
    this.#options = { ...alone, size: 64, concurrency: 3, enough: 8, ...options };
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
      if (this.#waitsForMore()) return;
      const calls = this.#take();
      if (calls.length === 0) return;
      const tenants = new Set(calls.map(({ tenant }) => tenant));
      this.#running++;
      for (const tenant of tenants) this.#count(tenant, 1);
      void this.#run(calls).finally(() => {
        this.#running--;
        for (const tenant of tenants) this.#count(tenant, -1);
        if (this.#waiting.length > 0) this.#schedule();
      });
      if (this.#waiting.length > 0) this.#schedule();
    });
  }

  /** As long as the least patient one of them can. */
  #waitsForMore(): boolean {
    clearTimeout(this.#timer);
    const { enough, moreToCome } = this.#options;
    if (this.#waiting.length === 0 || this.#waiting.length >= enough) return false;
    if (!this.#waiting.every(({ input }) => moreToCome(input))) return false;
    const left = Math.min(...this.#waiting.map(({ until }) => until)) - performance.now();
    if (left <= 0) return false;
    this.#timer = setTimeout(() => this.#schedule(), left);
    return true;
  }

  /**
   * In fair order, else the longest waiting first; what shares a row with a call in front of it waits for the next batch.
   * Empty: every tenant that waits has its share of the statements under way.
   */
  #take(): Call<In, Out>[] {
    const { size, requesterOf } = this.#options;
    const calls = this.#next();
    const isShared = calls.some(({ tenant }) => tenant !== calls[0]?.tenant);
    const most = isShared ? Math.min(size, SHARED_SIZE) : size;
    const ordered = isShared || calls.length > size ? inFairOrder(calls, ({ input }) => requesterOf(input)) : calls;
    const taken = new Set<Call<In, Out>>();
    const ofTenant = new Map<string, number>();
    const rows = new Set<string>();
    for (const call of ordered) {
      const count = ofTenant.get(call.tenant) ?? 0;
      const mayGo = taken.size < size && count < most && !call.rows.some((row) => rows.has(row));
      for (const row of call.rows) rows.add(row);
      if (!mayGo) continue;
      taken.add(call);
      ofTenant.set(call.tenant, count + 1);
    }
    this.#waiting = this.#waiting.filter((call) => !taken.has(call));
    return [...taken];
  }

  /** The calls of those tenants that have the fewest statements under way, if they may have one more. */
  #next(): Call<In, Out>[] {
    const statementsOf = ({ tenant }: Call<In, Out>): number => this.#underWay.get(tenant) ?? 0;
    const fewest = this.#waiting.reduce((least, call) => Math.min(least, statementsOf(call)), Infinity);
    if (fewest >= this.#options.concurrency - this.#running) return [];
    return this.#waiting.filter((call) => statementsOf(call) === fewest);
  }

  #count(tenant: string, change: 1 | -1): void {
    const count = (this.#underWay.get(tenant) ?? 0) + change;
    if (count === 0) this.#underWay.delete(tenant);
    else this.#underWay.set(tenant, count);
  }

  async #run(calls: readonly Call<In, Out>[]): Promise<void> {
    try {
      const outputs = await this.#options.run(calls.map(({ input }) => input));
      calls.forEach((call, at) => call.resolve(outputs[at] as Out));
    } catch (error) {
      const ofOne = !(error instanceof ServiceError && error.retriable) && calls.length > 1;
      if (ofOne) for (const call of calls) await this.#run([call]);
      else for (const { reject } of calls) reject(error);
    }
  }
}
