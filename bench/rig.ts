import { chmodSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@countersign/embedded-postgres';
import { createTestDatabase, processorMs, startKafka, type KafkaCluster } from '@countersign/testing';
import { measure } from './children.js';
import { type Latency } from './figures.js';
import { install, type Installation, type Layout, type LimitsOfBench } from './installation.js';
import { closingAll } from './lifetime.js';
import { type LoadPlan } from './load.js';
import { say } from './report.js';
import { readWorks, workOfEach, type Works } from './work.js';

/** The result of a run of `load.ts`. */
export interface PathRate extends Latency {
  readonly perSecond: number;
  /** Verifications, including those of the warm-up. */
  readonly done: number;
  /** Milliseconds of each, without the warm-up. */
  readonly times: readonly number[];
  /** Processor time of the load generator itself, in milliseconds. */
  readonly ownMs: number;
}

/** A real Apache Kafka and a real, durable PostgreSQL in a folder of their own, and the product over them. */
export class BenchRig {
  readonly #folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  #kafka: KafkaCluster | undefined;
  #postgres: { readonly pid: number; readonly url: string } | undefined;

  /** @param onClose takes how to stop what was just started */
  private constructor(private readonly onClose: (close: () => Promise<void>) => void) {
    onClose(() => rm(this.#folder, { recursive: true, force: true }));
    // PostgreSQL does not run as root, and its account must be able to enter the folder.
    chmodSync(this.#folder, 0o755);
  }

  /** Runs `work`, then stops everything that was started, also after an error or a signal. */
  static with(work: (rig: BenchRig) => Promise<void>): Promise<void> {
    return closingAll(async (onClose) => {
      const rig = new BenchRig(onClose);
      say('starting Apache Kafka and PostgreSQL…');
      const kafka = await startKafka({ optimised: true });
      onClose(() => kafka.close());
      rig.#kafka = kafka;
      const postgres = await startEmbeddedPostgres({ dataDir: join(rig.#folder, 'postgres') });
      onClose(() => postgres.close());
      rig.#postgres = postgres;
      await work(rig);
    });
  }

  /** Separated by commas, as the programs of the bench take them. */
  get brokers(): string {
    return this.#kafka?.brokers.join(',') ?? '';
  }

  /** Connects as superuser. */
  get databaseUrl(): string {
    return this.#postgres?.url ?? '';
  }

  /** One more database of the same server. @returns its URL, of a superuser */
  async createDatabase(): Promise<string> {
    return (await createTestDatabase(this.databaseUrl)).url;
  }

  /** Starts the services and enrols subjects. */
  async install(
    layout: Layout,
    options: {
      readonly subjects: number;
      readonly programs?: Readonly<Record<string, string>>;
      readonly env?: Record<string, string>;
      readonly limits?: LimitsOfBench;
      /** One of {@link createDatabase}, for benches that start several. */
      readonly databaseUrl?: string;
    },
  ): Promise<Installation> {
    say('starting the services, enrolling subjects…');
    // The signer keeps in the folder what it has signed for the database.
    const folder = mkdtempSync(join(this.#folder, 'installation-'));
    const servers = { brokers: this.brokers, databaseUrl: this.databaseUrl, folder };
    const product = await install(layout, { ...servers, ...options });
    this.onClose(() => product.close());
    return product;
  }

  /** Runs one round of the whole path and measures the work of each process for one verification. */
  async path(product: Installation, plan: LoadPlan): Promise<PathRate & { readonly works: Works }> {
    const read = (): Promise<Works> => readWorks(product, { pids: this.#servers(), databaseUrl: this.databaseUrl });
    const before = await read();
    const rate = await load(product, plan);
    const works = workOfEach(before, await read(), rate.done);
    return { ...rate, works: { ...works, 'load generator': { ms: rate.ownMs / rate.done } } };
  }

  /** Processor time of each process since its start, in milliseconds; empty on systems without /proc. */
  processorTimes(product: Installation): Record<string, number> {
    const read = Object.entries({ ...product.pids, ...this.#servers() }).map(
      ([name, pid]) => [name, processorMs(pid)] as const,
    );
    return Object.fromEntries(read.filter((one): one is [string, number] => one[1] !== undefined));
  }

  #servers(): Record<string, number> {
    return { kafka: this.#kafka?.processes[0]?.pid ?? 0, postgres: this.#postgres?.pid ?? 0 };
  }
}

/** Requests of one load generator, and their times. */
export function load(product: Installation, plan: LoadPlan): Promise<PathRate> {
  return measure<PathRate>('load.js', [], JSON.stringify({ url: product.swaigUrl, ...product, ...plan }));
}
