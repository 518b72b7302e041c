import { type KafkaClient, kafkaErrorType, type ProtocolRequest } from '../kafka-client.js';

/** Operations by their number in the protocol, which is also their bit in a set of authorized operations. */
const OPERATIONS = { READ: 3, WRITE: 4, CREATE: 5, DELETE: 6, DESCRIBE_CONFIGS: 10 } as const;

/** A right on a topic or a consumer group. */
export interface KafkaRight {
  readonly resource: 'topic' | 'group';
  /** Name in the cluster. */
  readonly name: string;
  /** `ANY`: any right at all, which is what the brokers state about a topic that does not exist. */
  readonly operation: keyof typeof OPERATIONS | 'ANY';
}

const METADATA = { apiKey: 3, apiVersion: 8, apiName: 'Metadata' };
const DESCRIBE_GROUPS = { apiKey: 15, apiVersion: 3, apiName: 'DescribeGroups' };
/** Error codes of the protocol. */
const TOPIC_AUTHORIZATION_FAILED = 29;
const GROUP_AUTHORIZATION_FAILED = 30;
/** The set of operations of a resource about which nothing is stated. */
const UNKNOWN_SET = -(2 ** 31);

/**
 * The rights that the user of the client lacks. Only asks the brokers (KIP-430), so nothing is written, and no group
 * rebalances. kafkajs does not know these versions of the two requests.
 * @throws errors of kafkajs
 */
export async function missingRights(client: KafkaClient, needed: readonly KafkaRight[]): Promise<KafkaRight[]> {
  const namesOf = (resource: KafkaRight['resource']): string[] => [
    ...new Set(needed.filter((right) => right.resource === resource).map(({ name }) => name)),
  ];
  return client.withRawCluster(async (cluster) => {
    const topics = await cluster.brokerPool.withBroker(({ broker }) =>
      broker.connectionPool.send(topicRights(namesOf('topic'))),
    );
    const groups = new Map<string, number>();
    for (const name of namesOf('group')) {
      try {
        const coordinator = await cluster.findGroupCoordinator({ groupId: name });
        for (const [group, set] of await coordinator.connectionPool.send(groupRights(name))) groups.set(group, set);
      } catch (error) {
        if (kafkaErrorType(error) !== 'GROUP_AUTHORIZATION_FAILED') throw error;
        groups.set(name, 0);
      }
    }
    return needed.filter(({ resource, name, operation }) => {
      const set = (resource === 'topic' ? topics : groups).get(name);
      if (set === undefined || set === UNKNOWN_SET) return false;
      return operation === 'ANY' ? set === 0 : (set & (1 << OPERATIONS[operation])) === 0;
    });
  });
}

/** The set of operations of each topic; 0 when not even its existence may be known. */
function topicRights(names: readonly string[]): ProtocolRequest<Map<string, number>> {
  return request(METADATA, [stringArray(names), flags(false, false, true)], (reader) => {
    reader.skip(4);
    reader.each(() => {
      reader.skip(4);
      reader.string();
      reader.skip(4);
      reader.string();
    });
    reader.string();
    reader.skip(4);
    const sets = new Map<string, number>();
    reader.each(() => {
      const code = reader.int16();
      const name = reader.string() ?? '';
      reader.skip(1);
      reader.each(() => {
        reader.skip(2 + 4 + 4 + 4);
        for (let list = 0; list < 3; list++) reader.each(() => reader.skip(4));
      });
      const set = reader.int32();
      sets.set(name, code === TOPIC_AUTHORIZATION_FAILED ? 0 : code === 0 ? set : UNKNOWN_SET);
    });
    return sets;
  });
}

function groupRights(name: string): ProtocolRequest<Map<string, number>> {
  return request(DESCRIBE_GROUPS, [stringArray([name]), flags(true)], (reader) => {
    reader.skip(4);
    const sets = new Map<string, number>();
    reader.each(() => {
      const code = reader.int16();
      const group = reader.string() ?? '';
      for (let field = 0; field < 3; field++) reader.string();
      reader.each(() => {
        for (let field = 0; field < 3; field++) reader.string();
        for (let field = 0; field < 2; field++) reader.skip(reader.int32());
      });
      const set = reader.int32();
      sets.set(group, code === GROUP_AUTHORIZATION_FAILED ? 0 : set);
    });
    return sets;
  });
}

function request<T>(api: typeof METADATA, parts: readonly Buffer[], read: (reader: Reader) => T): ProtocolRequest<T> {
  const buffer = Buffer.concat([...parts]);
  return {
    request: { ...api, encode: () => Promise.resolve({ buf: buffer, buffer }) },
    response: {
      decode: (bytes) => Promise.resolve(read(new Reader(bytes))),
      parse: (decoded) => Promise.resolve(decoded),
    },
  };
}

function stringArray(values: readonly string[]): Buffer {
  const count = Buffer.alloc(4);
  count.writeInt32BE(values.length);
  return Buffer.concat([count, ...values.map(lengthAndText)]);
}

function lengthAndText(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(2);
  length.writeInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

const flags = (...values: readonly boolean[]): Buffer => Buffer.from(values.map(Number));

/** Reads the types of the protocol in order. @throws RangeError at the end of the bytes */
class Reader {
  #at = 0;

  constructor(private readonly bytes: Buffer) {}

  int16(): number {
    this.#at += 2;
    return this.bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.bytes.readInt32BE(this.#at - 4);
  }

  string(): string | undefined {
    const length = this.int16();
    if (length < 0) return undefined;
    this.#at += length;
    return this.bytes.toString('utf8', this.#at - length, this.#at);
  }

  /** Null bytes have the length -1. */
  skip(bytes: number): void {
    this.#at += Math.max(0, bytes);
  }

  each(read: () => void): void {
    for (let count = this.int32(); count > 0; count--) read();
  }
}
