import { type FactRecorded, INSTALLATION, type AgentPublished, factRecorded } from '@countersign/contracts';
import { METRICS } from '@countersign/observability';
import { CountPublisher, SystemClock, type Clock } from '@countersign/runtime';
import { type Host } from './host.js';

/** How often counted refusals are published, in milliseconds. */
const PUBLISH_MS = 5_000;
/** Most sources that are counted separately between two publications; the others are counted together. */
const MAX_SOURCES = 1_000;
const OTHER_SOURCES = 'others';

interface Tally {
  readonly source: string;
  readonly agent: AgentPublished | undefined;
  count: number;
}

/**
 * Counts requests with wrong credentials and publishes one fact `access.refused` per source and known agent every five
 * seconds. Password guessing becomes visible, and a flood of requests does not cause a flood of events.
 */
export class RefusedCredentials {
  #tallies = new Map<string, Tally>();
  readonly #publisher: CountPublisher<FactRecorded>;

  /** @param publish resolves when the bus has acknowledged the facts */
  constructor(
    private readonly channel: 'swaig' | 'rest',
    private readonly clock: Clock,
    publish: (facts: readonly FactRecorded[]) => Promise<void>,
  ) {
    this.#publisher = new CountPublisher(() => this.#takeTallies(), publish);
  }

  /**
   * @param source network address of the client
   * @param agent undefined when the request named no agent or one that does not exist
   */
  count(source: string, agent?: AgentPublished): void {
    METRICS.credentialsRefused.inc({ channel: this.channel });
    const name = `${source} ${agent?.agent ?? ''}`;
    const tally = this.#tallies.get(name);
    if (tally) tally.count++;
    else if (this.#tallies.size < MAX_SOURCES) this.#tallies.set(name, { source, agent, count: 1 });
    else this.#countOther();
  }

  /** Publishes the counts; keeps them when that fails. @throws ServiceError BROKER_UNAVAILABLE, retriable */
  flush(): Promise<void> {
    return this.#publisher.flush();
  }

  #countOther(): void {
    const others = this.#tallies.get(OTHER_SOURCES);
    if (others) others.count++;
    else this.#tallies.set(OTHER_SOURCES, { source: OTHER_SOURCES, agent: undefined, count: 1 });
  }

  #takeTallies(): FactRecorded[] {
    const facts = [...this.#tallies.values()].map((tally) => this.#factOf(tally));
    this.#tallies = new Map();
    return facts;
  }

  #factOf({ source, agent, count }: Tally): FactRecorded {
    return factRecorded('access.refused', new Date(this.clock.now()), {
      tenant: agent?.tenant ?? INSTALLATION,
      ...(agent === undefined ? {} : { agent: agent.agent }),
      channel: this.channel,
      detail: { source, count },
    });
  }
}

/**
 * Counts for a port until its host closes, and then publishes the remaining counts.
 * @param bus publishes facts, and resolves when they are durable
 */
export function openRefusedCredentials(
  host: Host,
  bus: { publish(facts: readonly { readonly message: FactRecorded }[]): Promise<void> },
  channel: 'swaig' | 'rest',
): RefusedCredentials {
  const refused = new RefusedCredentials(channel, new SystemClock(), (facts) =>
    bus.publish(facts.map((fact) => ({ message: fact }))),
  );
  METRICS.credentialsRefused.inc({ channel }, 0);
  host.flushEvery(PUBLISH_MS, 'refused credentials were not published', () => refused.flush());
  return refused;
}
