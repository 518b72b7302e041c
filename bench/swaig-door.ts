import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';

/** A call of `verify_pin`; without `customerId` it is about whoever has the number. */
export interface BenchAttempt {
  readonly phone: string;
  readonly pin: string;
  readonly customerId?: string;
}

/** What a caller hears, as a word. */
export type Heard = 'verified' | 'not verified' | 'refused' | 'rejected' | 'locked' | 'unavailable';

/** How each answer can be told from the others. */
const MARKS: readonly (readonly [string, Heard])[] = [
  ['"verified":true', 'verified'],
  ['is not verified', 'not verified'],
  ['too many requests', 'refused'],
  ['does not match', 'rejected'],
  ['connect you to a person', 'locked'],
  ['right now', 'unavailable'],
];

/** Makes calls of `verify_pin` as the platform does, over connections that are kept open. */
export class SwaigDoor {
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

  /** Each guess is a call of its own. @throws Error when the answer is none that a caller may hear */
  guess({ phone, pin, customerId }: BenchAttempt): Promise<Heard> {
    return this.#call('verify_pin', phone, { pin, ...(customerId === undefined ? {} : { customer_id: customerId }) });
  }

  /** Calls `verification_status` in a call of its own, which needs no hash. @throws Error as {@link guess} */
  status(phone: string): Promise<Heard> {
    return this.#call('verification_status', phone, {});
  }

  #call(functionName: string, phone: string, argument: Readonly<Record<string, string>>): Promise<Heard> {
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
          const heard = MARKS.find(([mark]) => text.includes(mark))?.[1];
          if (answer.statusCode === 200 && heard !== undefined) resolve(heard);
          else reject(new Error(`a guess was answered with ${answer.statusCode}: ${text.slice(0, 200)}`));
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
