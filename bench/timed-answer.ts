import { Agent, request, type IncomingMessage } from 'node:http';

/** An answer as an attacker sees it, without the parts that differ in every answer. */
export interface TimedAnswer {
  /** Status, headers in their order, and body; ids and the date are masked. */
  readonly bytes: string;
  readonly ms: number;
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Sends a request with a JSON body and measures the time until the whole answer is there. */
export async function post(agent: Agent, url: string, authorization: string, body: object): Promise<TimedAnswer> {
  const text = JSON.stringify(body);
  const headers = { authorization, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  const begun = performance.now();
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url, { method: 'POST', agent, headers }, resolve).once('error', reject).end(text);
  });
  const received = (await answer.setEncoding('utf8').toArray()).join('');
  const ms = performance.now() - begun;
  return { bytes: [answer.statusCode, ...headerLines(answer), received].join('\n').replace(UUID, '<id>'), ms };
}

function headerLines({ rawHeaders }: IncomingMessage): string[] {
  const lines: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (name.toLowerCase() !== 'date') lines.push(`${name}: ${rawHeaders[at + 1] ?? ''}`);
  }
  return lines;
}

/**
 * The connection of the samples, one at a time. A server announces with `connection: close` that it ends a connection after its
 * limit of requests. Connections are replaced before that, so the header stays part of the comparison: an answer that has
 * it is then an answer to its class of request.
 */
export class SampledConnection {
  #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #sent: number;

  /** @param most requests on one connection; below the limit of the servers, which is 1,000 by default */
  constructor(private readonly most = 900) {
    this.#sent = most;
  }

  /** Makes room for the requests of a round. The first request of a new connection is `first`, which is no sample. */
  async makeRoom(requests: number, first: (agent: Agent) => Promise<unknown>): Promise<void> {
    if (this.#sent + requests <= this.most) return;
    this.close();
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1 });
    this.#sent = 1;
    await first(this.#agent);
  }

  /** For one request. */
  get agent(): Agent {
    this.#sent++;
    return this.#agent;
  }

  close(): void {
    this.#agent.destroy();
  }
}
