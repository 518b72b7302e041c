import { type Requester } from '@countersign/contracts';
import { inFairOrder, ServiceError } from '@countersign/service';

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
  /** Statements under way, at most. Default 2. */
  readonly concurrency?: number;
  /** Whether others are certain to follow within moments: then a batch that is not full waits for them. Default: never. */
  readonly moreToCome?: () => boolean;
  /** How long an input waits for them at most, in milliseconds. Default 40. */
  readonly lingerMs?: (input: In) => number;
  /** A batch of so many does not wait for more: what each further one saves gets small. Default 8. */
  readonly enough?: number;
}

interface Call<In, Out> {
  readonly input: In;
  readonly rows: readonly string[];
  /** Until when it waits for others, on the clock of `performance`. */
  readonly until: number;
  readonly resolve: (output: Out) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers calls into statements of many rows: those of one turn of the event loop, and those that come while the
 * statements before them are under way. Nothing waits for what may never come. A round trip, a plan and a flush to disk
 * cost as much for one row as for fifty.
 */
export class Batched<In, Out> {
  readonly #options: Required<BatchedOptions<In, Out>>;
  #waiting: Call<In, Out>[] = [];
  #running = 0;
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BatchedOptions<In, Out>) {
    const requesterOf = (): Requester => ({ tenant: '', agent: '', caller: '' });
    const alone = { requesterOf, rows: () => [], moreToCome: () => false, lingerMs: () => 40 };
    this.#options = { ...alone, size: 64, concurrency: 2, enough: 8, ...options };
  }

  /** @throws what `run` throws for this input */
  call(input: In): Promise<Out> {
    const { rows, lingerMs } = this.#options;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ input, rows: rows(input), until: performance.now() + lingerMs(input), resolve, reject });
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
      this.#running++;
      void this.#run(calls).finally(() => {
        this.#running--;
        if (this.#waiting.length > 0) this.#schedule();
      });
      if (this.#waiting.length > 0) this.#schedule();
    });
  }

  /** As long as the least patient one of them can. */
  #waitsForMore(): boolean {
    clearTimeout(this.#timer);
    const { enough, moreToCome } = this.#options;
    if (this.#waiting.length === 0 || this.#waiting.length >= enough || !moreToCome()) return false;
    const left = Math.min(...this.#waiting.map(({ until }) => until)) - performance.now();
    if (left <= 0) return false;
    this.#timer = setTimeout(() => this.#schedule(), left);
    return true;
  }

  /** In fair order, else the longest waiting first; what shares a row with a call in front of it waits for the next batch. */
  #take(): Call<In, Out>[] {
    const { size, requesterOf } = this.#options;
    if (this.#waiting.length > size) this.#waiting = inFairOrder(this.#waiting, ({ input }) => requesterOf(input));
    const taken: Call<In, Out>[] = [];
    const left: Call<In, Out>[] = [];
    const rows = new Set<string>();
    for (const call of this.#waiting) {
      const free = taken.length < size && !call.rows.some((row) => rows.has(row));
      for (const row of call.rows) rows.add(row);
      (free ? taken : left).push(call);
    }
    this.#waiting = left;
    return taken;
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
