import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@countersign/embedded-postgres';
import { startKafka, type KafkaCluster } from '@countersign/testing';
import { measure } from './children.js';
import { median, type Latency } from './figures.js';
import { install, type Installation, type Layout, type LimitsOfBench } from './installation.js';
import { processorMs } from './processor-time.js';
import { row, say } from './report.js';

/** The result of a run of `load.ts`. */
export interface PathRate extends Latency {
  readonly perSecond: number;
  /** Verifications, including those of the warm-up. */
  readonly done: number;
  /** Processor time of the load generator itself, in milliseconds. */
  readonly ownMs: number;
}

/** A real Apache Kafka and a real, durable PostgreSQL in a folder of their own, and the product over them. */
export class BenchRig {
  readonly #closers: (() => Promise<void>)[] = [];
  /** Processor milliseconds of one verification, by process, over all rounds. */
  readonly #costs = new Map<string, number[]>();
  readonly #folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  #kafka: KafkaCluster | undefined;
  #postgres: { readonly pid: number; readonly url: string } | undefined;

  private constructor() {
    // PostgreSQL does not run as root, and its account must be able to enter the folder.
    chmodSync(this.#folder, 0o755);
  }

  /** Runs `work`, then stops everything that was started, also after an error. */
  static async with(work: (rig: BenchRig) => Promise<void>): Promise<void> {
    const rig = new BenchRig();
    try {
      say('starting Apache Kafka and PostgreSQL…');
      const kafka = await startKafka({ optimised: true });
      rig.#closers.push(() => kafka.close());
      rig.#kafka = kafka;
      const postgres = await startEmbeddedPostgres({ dataDir: join(rig.#folder, 'postgres') });
      rig.#closers.push(() => postgres.close());
      rig.#postgres = postgres;
      await work(rig);
    } finally {
      for (const close of rig.#closers.reverse()) await close().catch((error: unknown) => say(String(error)));
      rmSync(rig.#folder, { recursive: true, force: true });
    }
  }

  /** Separated by commas, as the programs of the bench take them. */
  get brokers(): string {
    return this.#kafka?.brokers.join(',') ?? '';
  }

  /** Connects as superuser. */
  get databaseUrl(): string {
    return this.#postgres?.url ?? '';
  }

  /** Starts the services and enrols subjects. */
  async install(
    layout: Layout,
    options: {
      readonly subjects: number;
      readonly programs?: Readonly<Record<string, string>>;
      readonly env?: Record<string, string>;
      readonly limits?: LimitsOfBench;
    },
  ): Promise<Installation> {
    say('starting the services, enrolling subjects…');
    const servers = { brokers: this.brokers, databaseUrl: this.databaseUrl, folder: this.#folder };
    const product = await install(layout, { ...servers, ...options });
    this.#closers.push(() => product.close());
    return product;
  }

  /** Runs one round of the whole path and records the processor time of each process. */
  async path(
    product: Installation,
    plan: { readonly seconds: number; readonly warmUpSeconds: number; readonly inFlight: number },
  ): Promise<PathRate> {
    const before = this.processorTimes(product);
    const input = JSON.stringify({ url: product.swaigUrl, ...product, ...plan });
    const rate = await measure<PathRate>('load.js', [], input);
    for (const [name, ms] of Object.entries(this.processorTimes(product))) {
      const from = before[name];
      if (from !== undefined) this.#note(name, (ms - from) / rate.done);
    }
    this.#note('load generator', rate.ownMs / rate.done);
    return rate;
  }

  /** Processor time of each process since its start, in milliseconds; empty on systems without /proc. */
  processorTimes(product: Installation): Record<string, number> {
    const servers = { kafka: this.#kafka?.processes[0]?.pid ?? 0, postgres: this.#postgres?.pid ?? 0 };
    const read = Object.entries<number>({ ...product.pids, ...servers }).map(
      ([name, pid]) => [name, processorMs(pid)] as const,
    );
    return Object.fromEntries(read.filter((one): one is [string, number] => one[1] !== undefined));
  }

  /** Processor milliseconds of one verification, by process: the median over the rounds. */
  costs(): Record<string, number> {
    return Object.fromEntries([...this.#costs].map(([name, values]) => [name, Number(median(values).toFixed(2))]));
  }

  #note(name: string, ms: number): void {
    this.#costs.set(name, [...(this.#costs.get(name) ?? []), ms]);
  }
}

/** The lines of the report with the processor time of each process. */
export function costRows(costs: Readonly<Record<string, number>>): string[] {
  const rows = Object.entries(costs).map(([name, ms]) => row(`  ${name}`, ms.toFixed(2)));
  return ['processor ms of one verification, by process', ...rows];
}
