import {
  eventually,
  startKafka,
  startPostgres,
  TcpProxy,
  type KafkaCluster,
  type TestPostgres,
} from '@countersign/testing';
import { AuditEvents } from '../audit-events.js';
import { Balancer } from '../balancer.js';
import { Ledger } from '../ledger.js';
import { SHORT_SESSIONS, startSeparate, type SeparateProduct } from '../product.js';
import { Groups } from './groups.js';

export interface FaultRigOptions {
  readonly brokers?: 1 | 3;
  /** Of every service; default 1. */
  readonly copies?: number;
  /** More settings for every service. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The servers of the product, with a proxy in front of each. */
export interface FaultRigServers {
  readonly kafka: KafkaCluster;
  readonly postgres: TestPostgres;
  /** In the order of the brokers. */
  readonly toKafka: readonly TcpProxy[];
  readonly toPostgres: TcpProxy;
}

/** The product on servers of its own that tests may break, with a proxy in front of each. */
export class FaultRig {
  readonly balancer: Balancer;
  readonly groups: Groups;

  private constructor(
    readonly servers: FaultRigServers,
    readonly product: SeparateProduct,
    readonly ledger: Ledger,
    readonly events: AuditEvents,
  ) {
    this.balancer = new Balancer(product);
    this.groups = new Groups(product);
  }

  static async start({ brokers = 1, ...options }: FaultRigOptions = {}): Promise<FaultRig> {
    const closers: (() => Promise<unknown>)[] = [];
    try {
      const toKafka = await Promise.all(Array.from({ length: brokers }, () => TcpProxy.listen()));
      const toPostgres = await TcpProxy.listen();
      closers.push(...[...toKafka, toPostgres].map((proxy) => () => proxy.close()));
      const [kafka, postgres] = await Promise.all([
        startKafka({ brokers, advertisedPorts: toKafka.map(({ port }) => port) }),
        startPostgres({ durable: true }),
      ]);
      closers.push(
        () => kafka.close(),
        () => postgres.close(),
      );
      for (const [at, proxy] of toKafka.entries()) proxy.to(Number(kafka.brokers[at]?.split(':')[1]));
      toPostgres.to(Number(new URL(postgres.url).port));
      return await FaultRig.#on({ kafka, postgres, toKafka, toPostgres }, options);
    } catch (error) {
      for (const close of closers.reverse()) await close().catch(() => undefined);
      throw error;
    }
  }

  /** A second product on the same servers, with topics and a database of its own. Close it with `closeProduct`. */
  beside(options: Omit<FaultRigOptions, 'brokers'>): Promise<FaultRig> {
    return FaultRig.#on(this.servers, options);
  }

  static async #on(
    servers: FaultRigServers,
    { copies = 1, env = {} }: Omit<FaultRigOptions, 'brokers'>,
  ): Promise<FaultRig> {
    const { toKafka, toPostgres, postgres } = servers;
    const product = await startSeparate({
      copies,
      brokers: toKafka.map(({ port }) => `127.0.0.1:${port}`),
      postgresUrl: postgres.url,
      postgresPort: toPostgres.port,
      env: { TOPIC_REPLICATION: String(toKafka.length), ...SHORT_SESSIONS, ...env },
    });
    try {
      const ledger = await Ledger.open(product.databaseUrl);
      const events = await AuditEvents.follow(product);
      return new FaultRig(servers, product, ledger, events);
    } catch (error) {
      await product.remove();
      throw error;
    }
  }

  /** Waits until all outboxes are empty and no group lags. @throws Error with the remaining facts and lag */
  async untilIdle(limitMs: number): Promise<void> {
    let waiting = 'unknown';
    const settled = async (): Promise<boolean> => {
      const [facts, lag] = await Promise.all([this.ledger.unpublished(), this.groups.lag()]).catch(() => [-1, -1]);
      waiting = `${facts} facts in outboxes, lag ${lag}`;
      return facts === 0 && lag === 0;
    };
    await eventually('every fact is published and every record is handled', settled, limitMs).catch(
      (error: unknown) => {
        throw new Error(`${(error as Error).message}: ${waiting}`);
      },
    );
  }

  async closeProduct(): Promise<void> {
    this.balancer.close();
    const steps = [() => this.events.close(), () => this.ledger.close(), () => this.product.remove()];
    for (const step of steps) await step();
  }

  async close(): Promise<void> {
    const { kafka, postgres, toKafka, toPostgres } = this.servers;
    await this.closeProduct();
    await kafka.close();
    await postgres.close();
    for (const proxy of [...toKafka, toPostgres]) await proxy.close();
  }
}
