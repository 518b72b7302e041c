import { ServiceError } from '@countersign/service';

export interface BatchedOptions<In, Out> {
  /**
   * One statement for all inputs; an output for each, in their order. One input alone must do as well. An error that is
   * not retriable is taken for the fault of one input, and each is tried alone.
   */
  readonly run: (inputs: readonly In[]) => Promise<readonly Out[]>;
  /** Rows that an input writes to. Inputs that share one never share a batch: a statement writes to a row once. */
  readonly rows?: (input: In) => readonly string[];
  /** Inputs of one batch, at most. Default 64. */
  readonly size?: number;
  /** Statements under way, at most. Default 2. */
  readonly concurrency?: number;
}

interface Call<In, Out> {
  readonly input: In;
  readonly rows: readonly string[];
  readonly resolve: (output: Out) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Gathers calls into statements of many rows: those of one turn of the event loop, and those that come while the
 * statements before them are under way. Nothing waits for more to come. A round trip, a plan and a flush to disk cost as
 * much for one row as for fifty.
 */
export class Batched<In, Out> {
  readonly #options: Required<BatchedOptions<In, Out>>;
  #waiting: Call<In, Out>[] = [];
  #running = 0;
  #scheduled = false;

  constructor(options: BatchedOptions<In, Out>) {
    this.#options = { rows: () => [], size: 64, concurrency: 2, ...options };
  }

  /** @throws what `run` throws for this input */
  call(input: In): Promise<Out> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ input, rows: this.#options.rows(input), resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#running >= this.#options.concurrency) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
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

  /** The longest waiting first; who shares a row with somebody in front of it waits for the next batch. */
  #take(): Call<In, Out>[] {
    const taken: Call<In, Out>[] = [];
    const left: Call<In, Out>[] = [];
    const rows = new Set<string>();
    for (const call of this.#waiting) {
      const free = taken.length < this.#options.size && !call.rows.some((row) => rows.has(row));
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
