import { Resolver } from 'node:dns/promises';

/** An address, with its family as the connections of Node take it. */
export interface HostAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

const TRIES = 2;

/**
 * Resolves host names over the network. Not by the system's resolver: its calls block a thread of the pool that also hashes
 * PINs in the all-in-one process, and names in `/etc/hosts` must not lead to this host.
 */
export class HostResolver {
  readonly #resolver: Resolver;

  /**
   * @param servers `address[:port]` of the DNS servers; empty: those of the system
   * @param timeoutMs of all questions about a host together. The resolver alone would wait longer: it doubles the time of a
   * further try, and waits as long for each server
   * @throws Error when one is not an address
   */
  constructor(
    servers: readonly string[],
    private readonly timeoutMs: number,
  ) {
    this.#resolver = new Resolver({ timeout: Math.ceil(timeoutMs / TRIES), tries: TRIES });
    if (servers.length > 0) this.#resolver.setServers([...servers]);
  }

  /** All addresses of a host, IPv4 first; empty when it has none, or there was no answer. */
  async addresses(host: string): Promise<HostAddress[]> {
    const [v4, v6] = await Promise.all([
      this.#inTime(this.#resolver.resolve4(host)),
      this.#inTime(this.#resolver.resolve6(host)),
    ]);
    return [
      ...v4.map((address) => ({ address, family: 4 as const })),
      ...v6.map((address) => ({ address, family: 6 as const })),
    ];
  }

  /** Empty when there is no answer in time. */
  async #inTime(answer: Promise<string[]>): Promise<string[]> {
    let timer: NodeJS.Timeout | undefined;
    const end = new Promise<string[]>((resolve) => {
      timer = setTimeout(() => resolve([]), this.timeoutMs);
    });
    return Promise.race([answer.catch(() => []), end]).finally(() => clearTimeout(timer));
  }
}

/**
 * @param servers `address[:port]` of DNS servers, separated by commas; empty: those of the system
 * @throws Error when one is not an address
 */
export function dnsResolverOf(servers: string, timeoutMs: number): HostResolver {
  const list = servers.split(',').map((server) => server.trim());
  return new HostResolver(
    list.filter((server) => server !== ''),
    timeoutMs,
  );
}
