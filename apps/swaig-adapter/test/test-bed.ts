import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import { pino } from 'pino';
import {
  LimitRequested,
  LimitDecided,
  bindingOf,
  CallStateAnswered,
  CallStateRequested,
  encodeMessage,
  FactRecorded,
  KeyComparisonRequested,
  KeysCompared,
  message,
  RefusalsCounted,
  TOPICS,
  VerificationDecided,
  VerificationRequested,
  type FieldsOf,
  type Message,
} from '@countersign/contracts';
import { type HostedService } from '@countersign/hosting';
import {
  HEADERS,
  MemoryBroker,
  withSignature,
  type BusRecord,
  type ConsumedRecord,
  type SignReply,
} from '@countersign/messaging';
import {
  createReceiptKeys,
  createSealingKeys,
  KeyedHash,
  ReceiptKeys,
  sealReply,
  Secret,
  PayloadOpener,
} from '@countersign/crypto';
import { start } from '../src/start.js';
import { exampleAgent } from './test-policy.js';

/** Eight digits, so that no random id contains them by chance. */
export const CANARY = '83729164';
export const PASSWORD = 'the:password of desk, ß';
export const PHONE = '+12025550123';
const IDENTIFIER_KEY = Buffer.alloc(32, 7).toString('base64url');
const SAMPLES = new URL('../samples/', import.meta.url);

type Decision = Partial<FieldsOf<VerificationDecided>>;

/** What came back over HTTP. */
export interface ReceivedResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

/** One request; everything has the value of a good one unless it is given. */
export interface SentRequest {
  readonly body?: unknown;
  readonly method?: string;
  readonly path?: string;
  /** `undefined`: none. */
  readonly authorization?: string | undefined;
  readonly contentType?: string | undefined;
  readonly headers?: Record<string, string>;
}

/** A SWAIG adapter that listens, on a real bus in process, with the other services played by one consumer. */
export class SwaigTestBed {
  /** What is decided; undefined: nobody answers. */
  decide: (request: VerificationRequested) => Decision | undefined | Promise<Decision> = () => ({});
  /** What is known of a call; undefined: nobody answers. */
  callState: (request: CallStateRequested) => Partial<FieldsOf<CallStateAnswered>> | undefined = () => ({});
  /** The keys of the service that answers; each answer is signed by {@link sign}. */
  readonly receiptKeys = ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1')));
  sign: SignReply | undefined = (text) => this.receiptKeys.signAnswer(text);
  readonly requests: VerificationRequested[] = [];
  /** What was asked of the limiter besides guesses. */
  readonly limitRequests: LimitRequested[] = [];
  /** What the limiter says of them; undefined: nobody answers. */
  decideLimit: (request: LimitRequested) => Partial<FieldsOf<LimitDecided>> | undefined = () => ({});
  readonly stateRequests: CallStateRequested[] = [];
  readonly facts: FactRecorded[] = [];
  /** What the adapter told of guesses that it refused by itself. */
  readonly refusals: RefusalsCounted[] = [];
  readonly hash = new KeyedHash(new Secret(IDENTIFIER_KEY));
  readonly fatal: Error[] = [];
  log = '';
  /** Everything that crossed the bus, as text. */
  bytes = '';
  service!: HostedService;

  private constructor(
    readonly broker: MemoryBroker,
    readonly payloadOpener: PayloadOpener,
  ) {}

  static async open(environment: Record<string, string> = {}): Promise<SwaigTestBed> {
    const keys = await createSealingKeys('k1');
    const bed = new SwaigTestBed(new MemoryBroker(), await PayloadOpener.fromKeySet(new Secret(keys.privateKeys)));
    await bed.#playOthers();
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        bed.log += chunk.toString();
        done();
      },
    });
    const env = {
      SWAIG_PORT: '0',
      IDENTIFIER_KEY,
      CAPTURE_TOKEN_KEY: Buffer.alloc(32, 9).toString('base64url'),
      SEALING_PUBLIC_KEYS: keys.publicKeys,
      RECEIPT_PUBLIC_KEYS: JSON.stringify({ keys: bed.receiptKeys.published }),
      ...environment,
    };
    const logger = pino({ level: 'trace' }, sink);
    bed.service = await start(env, (error) => bed.fatal.push(error), { broker: bed.broker, logger, ops: false });
    return bed;
  }

  async close(): Promise<void> {
    await this.service.close();
    await this.broker.close();
  }

  /** Makes messages known to everybody, as the directory does. */
  async publish(...messages: Message[]): Promise<void> {
    await this.broker.send(messages.map((one) => toBusRecord(one)));
  }

  async send(sent: SentRequest = {}): Promise<ReceivedResponse> {
    const { method = 'POST', path = '/swaig', body } = sent;
    const authorization = 'authorization' in sent ? sent.authorization : basic('desk', PASSWORD);
    const contentType = 'contentType' in sent ? sent.contentType : 'application/json';
    const asIs = typeof body === 'string' || body === undefined || Buffer.isBuffer(body);
    const payload = asIs ? body : JSON.stringify(body);
    const response = await fetch(`${this.service.urls['swaig']}${path}`, {
      method,
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...(contentType === undefined ? {} : { 'content-type': contentType }),
        ...sent.headers,
      },
      // Bytes, because of a text the client would say that it is text.
      ...(payload === undefined ? {} : { body: Buffer.isBuffer(payload) ? payload : Buffer.from(payload) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: parse(text) };
  }

  /** Calls any function in the way the platform does. */
  async call(
    name: string,
    args: Record<string, unknown>,
    fields: Record<string, unknown> = {},
  ): Promise<ReceivedResponse> {
    return this.send({ body: functionCall(name, args, fields) });
  }

  /** Calls `verify_pin` in the way the platform does. */
  async verify(args: Record<string, unknown>, fields: Record<string, unknown> = {}): Promise<ReceivedResponse> {
    return this.send({ body: pinCall(args, fields) });
  }

  /** What lies under the seal of a request. */
  async secretOf(request: VerificationRequested): Promise<Record<string, unknown>> {
    return this.payloadOpener.unseal(request.sealed, bindingOf(VerificationRequested, request));
  }

  /** All that a request says, but for the key of its answer: the same text for a repetition. */
  async contentOf(request: VerificationRequested): Promise<string> {
    const { replyKey: _, ...submitted } = await this.secretOf(request);
    return bindingOf(VerificationRequested, request) + JSON.stringify(submitted);
  }

  /** The PIN under the seal of a request. */
  async pinOf(request: VerificationRequested): Promise<unknown> {
    return (await this.secretOf(request))['pin'];
  }

  async #playOthers(): Promise<void> {
    await this.broker.ensureTopics([TOPICS.requests, TOPICS.queries, TOPICS.facts, TOPICS.directory]);
    await this.publish(
      exampleAgent('desk', 'acme', PASSWORD),
      exampleAgent('help', 'umbrella', PASSWORD, { functions: ['verification_status'], transfers: {} }),
    );
    const options = {
      group: 'others',
      topics: [TOPICS.requests.name, TOPICS.queries.name, TOPICS.facts.name],
      onFatal: (error: Error) => this.fatal.push(error),
    };
    const played = await this.broker.consume(options, (taken) => this.#answer(taken));
    await played.ready;
  }

  async #answer(taken: ConsumedRecord): Promise<void> {
    const { topic, headers, key, value } = taken;
    this.bytes += `${key}${JSON.stringify(headers)}${value.toString()}`;
    const fields: unknown = JSON.parse(value.toString());
    switch (topic) {
      case TOPICS.facts.name:
        this.facts.push(message(FactRecorded, fields as FieldsOf<FactRecorded>));
        return;
      case TOPICS.queries.name: {
        if (headers[HEADERS.type] === KeyComparisonRequested.type) {
          const asked = message(KeyComparisonRequested, fields as FieldsOf<KeyComparisonRequested>);
          return this.#reply(taken, asked, message(KeysCompared, { commandId: asked.commandId, mismatches: [] }));
        }
        const request = message(CallStateRequested, fields as FieldsOf<CallStateRequested>);
        this.stateRequests.push(request);
        const state = this.callState(request);
        if (state)
          await this.#reply(taken, request, message(CallStateAnswered, { verified: false, level: 'none', ...state }));
        return;
      }
      default:
        if (headers[HEADERS.type] === RefusalsCounted.type) {
          this.refusals.push(message(RefusalsCounted, fields as FieldsOf<RefusalsCounted>));
          return;
        }
        if (headers[HEADERS.type] === LimitRequested.type) {
          const request = message(LimitRequested, fields as FieldsOf<LimitRequested>);
          this.limitRequests.push(request);
          const decided = this.decideLimit(request);
          if (decided === undefined) return;
          const { commandId } = request;
          return this.#reply(taken, request, message(LimitDecided, { commandId, outcome: 'admitted', ...decided }));
        }
        return this.#decide(taken, message(VerificationRequested, fields as FieldsOf<VerificationRequested>));
    }
  }

  async #decide(taken: ConsumedRecord, request: VerificationRequested): Promise<void> {
    this.requests.push(request);
    const decided = await this.decide(request);
    if (decided === undefined) return;
    const { commandId } = request;
    const decision = message(VerificationDecided, { commandId, outcome: 'rejected', level: 'none', ...decided });
    if (decision.outcome === 'verified') await this.#addReceipt(decision, request);
    await this.#reply(taken, request, decision);
  }

  /** A success is believed only with a receipt under the key of its request. */
  async #addReceipt(decision: VerificationDecided, request: VerificationRequested): Promise<void> {
    const receipt = sealReply(receiptOf(decision, request), (await this.secretOf(request))['replyKey']);
    if (receipt !== undefined) decision.receipt ??= receipt;
  }

  async #reply({ headers }: ConsumedRecord, question: Message, reply: Message): Promise<void> {
    const correlation = { [HEADERS.correlationId]: headers[HEADERS.correlationId] ?? '' };
    const answer = { ...toBusRecord(reply, correlation), topic: headers[HEADERS.replyTo] ?? '' };
    await this.broker.send([this.sign ? withSignature(question, answer, this.sign) : answer]);
  }
}

/** A receipt as far as an adapter reads it: for whom, by whom, how far, which verification. */
export function receiptOf(
  { subjectId, level, verificationId }: Partial<VerificationDecided>,
  { tenant, agent, callId, method }: Partial<VerificationRequested> = { tenant: 'acme', agent: 'desk', method: 'pin' },
): string {
  const names = { aud: tenant, sub: subjectId, agent, call_id: callId, level, method, jti: verificationId };
  const claims = { ...names, exp: 1_795_341_900 };
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2lnbmF0dXJl`;
}

export function basic(agent: string, password: string): string {
  return `Basic ${Buffer.from(`${agent}:${password}`).toString('base64')}`;
}

/** A body from `samples/`, as the platform sent it. */
export function sample(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(file, SAMPLES), 'utf8')) as Record<string, unknown>;
}

/** A body that was captured on a real call, with another function in it; each call has an id of its own. */
export function functionCall(
  name: string,
  args: Record<string, unknown>,
  fields: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    ...sample('req-captured-phone-verify_identity.json'),
    function: name,
    argument: { parsed: [args], raw: JSON.stringify(args) },
    caller_id_num: PHONE,
    call_id: randomUUID(),
    ...fields,
  };
}

/** A call of `verify_pin`. */
export function pinCall(args: Record<string, unknown>, fields: Record<string, unknown> = {}): Record<string, unknown> {
  return functionCall('verify_pin', args, fields);
}

function toBusRecord(content: Message, headers: Record<string, string> = {}): BusRecord {
  const { topic, key, value, headers: own } = encodeMessage(randomUUID(), content);
  return { topic, key, value: Buffer.from(value), headers: { ...own, ...headers } };
}

function parse(text: string): Record<string, unknown> {
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
}
