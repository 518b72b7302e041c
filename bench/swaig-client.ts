import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';

/** A call of `verify_pin`. Without `customerId` the number identifies the subject. */
export interface BenchAttempt {
  readonly phone: string;
  readonly pin: string;
  readonly customerId?: string;
}

/** The meaning of a spoken answer. */
export type SpokenOutcome = 'verified' | 'not verified' | 'refused' | 'rejected' | 'locked' | 'unavailable';

/** A part of the text of each answer. */
const MARKS: readonly (readonly [string, SpokenOutcome])[] = [
  ['"verified":true', 'verified'],
  ['is not verified', 'not verified'],
  ['too many requests', 'refused'],
  ['does not match', 'rejected'],
  ['connect you to a person', 'locked'],
  ['right now', 'unavailable'],
];

/** Makes calls of `verify_pin` as the platform does, over connections that are kept open. */
export class SwaigClient {
  readonly #agent: Agent;
  readonly #address: { readonly hostname: string; readonly port: string };

  constructor(
    url: string,
    private readonly authorization: string,
    mostConnections: number,
  ) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: mostConnections });
    const { hostname, port } = new URL(url);
    this.#address = { hostname, port };
  }

  /** Makes an attempt in a call of its own. @throws Error when the answer has none of these meanings */
  attempt({ phone, pin, customerId }: BenchAttempt): Promise<SpokenOutcome> {
    return this.#call('verify_pin', phone, { pin, ...(customerId === undefined ? {} : { customer_id: customerId }) });
  }

  /** Calls `verification_status` in a call of its own, which needs no hash. @throws Error as {@link attempt} */
  status(phone: string): Promise<SpokenOutcome> {
    return this.#call('verification_status', phone, {});
  }

  #call(functionName: string, phone: string, argument: Readonly<Record<string, string>>): Promise<SpokenOutcome> {
    const body = JSON.stringify({
      function: functionName,
      argument: { parsed: [argument], raw: JSON.stringify(argument) },
      call_id: randomUUID(),
      ai_session_id: randomUUID(),
      caller_id_num: phone,
      content_type: 'text/swaig',
      version: '2.0',
    });
    const headers = {
      authorization: this.authorization,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    return new Promise((resolve, reject) => {
      const options = { ...this.#address, path: '/swaig', method: 'POST', agent: this.#agent, headers };
      const sent = request(options, (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('end', () => {
          const text = Buffer.concat(parts).toString();
          const outcome = MARKS.find(([mark]) => text.includes(mark))?.[1];
          if (answer.statusCode === 200 && outcome !== undefined) resolve(outcome);
          else reject(new Error(`an attempt was answered with ${answer.statusCode}: ${text.slice(0, 200)}`));
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
