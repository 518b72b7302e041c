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

/** What a run of `load.ts` gives. */
export interface PathRate extends Latency {
  readonly perSecond: number;
  /** Verifications, those of the warm-up too. */
  readonly done: number;
  /** Processor time of the load generator itself, in milliseconds. */
  readonly ownMs: number;
}

/** A real Apache Kafka and a real, durable PostgreSQL in a folder of their own, and the product over them. */
export class BenchStand {
  readonly #closers: (() => Promise<void>)[] = [];
  /** Processor milliseconds of one verification, by process, over all rounds. */
  readonly #costs = new Map<string, number[]>();
  readonly #folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  #kafka: KafkaCluster | undefined;
  #postgres: { readonly pid: number; readonly url: string } | undefined;

  private constructor() {
    // PostgreSQL does not run as root; the account that it runs as instead has to enter.
    chmodSync(this.#folder, 0o755);
  }

  /** Runs `work` and takes down whatever it has started, however it ends. */
  static async with(work: (stand: BenchStand) => Promise<void>): Promise<void> {
    const stand = new BenchStand();
    try {
      say('starting Apache Kafka and PostgreSQL…');
      const kafka = await startKafka({ optimised: true });
      stand.#closers.push(() => kafka.close());
      stand.#kafka = kafka;
      const postgres = await startEmbeddedPostgres({ dataDir: join(stand.#folder, 'postgres') });
      stand.#closers.push(() => postgres.close());
      stand.#postgres = postgres;
      await work(stand);
    } finally {
      for (const close of stand.#closers.reverse()) await close().catch((error: unknown) => say(String(error)));
      rmSync(stand.#folder, { recursive: true, force: true });
    }
  }

  /** As the programs of the bench take them: with commas. */
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

  /** One round of the whole path. Notes what each process spent on it. */
  async path(
    product: Installation,
    plan: { readonly seconds: number; readonly warmUpSeconds: number; readonly inFlight: number },
  ): Promise<PathRate> {
    const before = this.spent(product);
    const input = JSON.stringify({ url: product.swaigUrl, ...product, ...plan });
    const rate = await measure<PathRate>('load.js', [], input);
    for (const [name, ms] of Object.entries(this.spent(product))) {
      const from = before[name];
      if (from !== undefined) this.#note(name, (ms - from) / rate.done);
    }
    this.#note('load generator', rate.ownMs / rate.done);
    return rate;
  }

  /** Processor time that each process has had since its start, in milliseconds; empty where there is no /proc. */
  spent(product: Installation): Record<string, number> {
    const servers = { kafka: this.#kafka?.processes[0]?.pid ?? 0, postgres: this.#postgres?.pid ?? 0 };
    const read = Object.entries<number>({ ...product.pids, ...servers }).map(
      ([name, pid]) => [name, processorMs(pid)] as const,
    );
    return Object.fromEntries(read.filter((one): one is [string, number] => one[1] !== undefined));
  }

  /** Median over the rounds, by process. */
  costs(): Record<string, number> {
    return Object.fromEntries([...this.#costs].map(([name, values]) => [name, Number(median(values).toFixed(2))]));
  }

  #note(name: string, ms: number): void {
    this.#costs.set(name, [...(this.#costs.get(name) ?? []), ms]);
  }
}

/** The lines of the report that tell what each process spent. */
export function costRows(costs: Readonly<Record<string, number>>): string[] {
  const rows = Object.entries(costs).map(([name, ms]) => row(`  ${name}`, ms.toFixed(2)));
  return ['processor ms of one verification, by process', ...rows];
}
