import { Kafka, logLevel, type Admin } from 'kafkajs';
import { TOPICS } from '@countersign/contracts';
import { type SeparateProduct, type ServiceName } from '../product.js';

/** The groups of the services and what each reads. */
const GROUPS = {
  directory: [TOPICS.directoryCommands.name],
  verification: [TOPICS.admissions.name, TOPICS.subjectCommands.name],
  'rate-limit': [TOPICS.requests.name],
  audit: [TOPICS.facts.name],
  webhooks: [TOPICS.webhookCommands.name],
} as const satisfies Partial<Record<ServiceName, readonly string[]>>;

export type GroupName = keyof typeof GROUPS;

/** Reads and changes the consumer groups directly, as an operator does with Kafka's own tools. */
export class Groups {
  readonly #product: SeparateProduct;
  readonly #kafka: Kafka;

  constructor(product: SeparateProduct) {
    this.#product = product;
    this.#kafka = new Kafka({ brokers: [...product.brokers], clientId: 'operator', logLevel: logLevel.NOTHING });
  }

  /** Records that wait for a group, over all groups. @throws Error while no broker answers */
  lag(): Promise<number> {
    return this.#with(async (admin) => {
      let lag = 0;
      for (const [group, names] of Object.entries(GROUPS)) {
        const topics = names.map((name) => this.#product.topicPrefix + name);
        const committed = await admin.fetchOffsets({ groupId: this.#product.topicPrefix + group, topics });
        for (const { topic, partitions } of committed) {
          for (const { partition, high, low } of await admin.fetchTopicOffsets(topic)) {
            const at = Number(partitions.find((one) => one.partition === partition)?.offset ?? -1);
            lag += Number(high) - Math.max(at, Number(low));
          }
        }
      }
      return lag;
    });
  }

  /** Sets the offsets of a group without members back to a time, in milliseconds since 1970. */
  rewind(group: GroupName, to: number): Promise<void> {
    return this.#with(async (admin) => {
      for (const name of GROUPS[group]) {
        const topic = this.#product.topicPrefix + name;
        const partitions = await admin.fetchTopicOffsetsByTimestamp(topic, to);
        await admin.setOffsets({ groupId: this.#product.topicPrefix + group, topic, partitions });
      }
    });
  }

  async #with<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    const admin = this.#kafka.admin();
    await admin.connect();
    try {
      return await work(admin);
    } finally {
      await admin.disconnect();
    }
  }
}
