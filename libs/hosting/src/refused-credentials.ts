import { randomUUID } from 'node:crypto';
import { FactRecorded, INSTALLATION, message, type AgentPublished } from '@countersign/contracts';
import { type BusClient } from '@countersign/messaging';
import { METRICS } from '@countersign/observability';
import { SystemClock, type Clock } from '@countersign/runtime';
import { type Host } from './host.js';

/** How often counted refusals are published, in milliseconds. */
const PUBLISH_MS = 5_000;
/** Sources that are told apart between two publications; further ones are counted together. */
const MOST_SOURCES = 1_000;
const OTHER_SOURCES = 'others';

interface Tally {
  readonly source: string;
  readonly agent: AgentPublished | undefined;
  count: number;
}

/**
 * Counts requests whose credentials are wrong, and publishes one fact `access.refused` for each source and known agent every
 * five seconds: whoever tries passwords is seen, and a flood costs no event for each request.
 */
export class RefusedCredentials {
  #tallies = new Map<string, Tally>();
  /** Kept until they are acknowledged, so that a repeated publication has the same ids. */
  #pending: readonly FactRecorded[] = [];
  #flushing: Promise<void> = Promise.resolve();

  /** @param publish resolves when the facts are safe on the bus */
  constructor(
    private readonly channel: 'swaig' | 'rest',
    private readonly clock: Clock,
    private readonly publish: (facts: readonly FactRecorded[]) => Promise<void>,
  ) {}

  /**
   * @param source network address of the client
   * @param agent whose password was wrong; undefined: no such agent, or none was named
   */
  count(source: string, agent?: AgentPublished): void {
    METRICS.credentialsRefused.inc({ channel: this.channel });
    const name = `${source} ${agent?.agent ?? ''}`;
    const known = this.#tallies.get(name);
    if (known) known.count++;
    else if (this.#tallies.size < MOST_SOURCES) this.#tallies.set(name, { source, agent, count: 1 });
    else this.#countOther();
  }

  /** Publishes what was counted. What cannot be published is kept. @throws ServiceError BROKER_UNAVAILABLE, retriable */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.catch(() => undefined).then(() => this.#publishAll());
    return this.#flushing;
  }

  #countOther(): void {
    const others = this.#tallies.get(OTHER_SOURCES);
    if (others) others.count++;
    else this.#tallies.set(OTHER_SOURCES, { source: OTHER_SOURCES, agent: undefined, count: 1 });
  }

  async #publishAll(): Promise<void> {
    await this.#publishPending();
    this.#pending = [...this.#tallies.values()].map((tally) => this.#factOf(tally));
    this.#tallies = new Map();
    await this.#publishPending();
  }

  async #publishPending(): Promise<void> {
    if (this.#pending.length === 0) return;
    await this.publish(this.#pending);
    this.#pending = [];
  }

  #factOf({ source, agent, count }: Tally): FactRecorded {
    return message(FactRecorded, {
      factId: randomUUID(),
      kind: 'access.refused',
      time: new Date(this.clock.now()).toISOString(),
      tenant: agent?.tenant ?? INSTALLATION,
      ...(agent === undefined ? {} : { agent: agent.agent }),
      channel: this.channel,
      detail: { source, count },
    });
  }
}

/** Counts for an adapter until its host closes, which publishes the rest. */
export function openRefusedCredentials(host: Host, bus: BusClient, channel: 'swaig' | 'rest'): RefusedCredentials {
  const refused = new RefusedCredentials(channel, new SystemClock(), (facts) =>
    bus.publish(facts.map((fact) => ({ message: fact }))),
  );
  METRICS.credentialsRefused.inc({ channel }, 0);
  const publish = (): Promise<void> =>
    refused
      .flush()
      .catch((error: unknown) => host.logger.warn({ err: error }, 'refused credentials wait: publishing failed'));
  const timer = setInterval(() => void publish(), PUBLISH_MS);
  host.onClose(async () => {
    clearInterval(timer);
    await publish();
  });
  return refused;
}
