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

/** A PIN of eight digits, which random ids practically never contain. */
export const CANARY = '83729164';
export const PASSWORD = 'the:password of desk, ß';
export const PHONE = '+12025550123';
const IDENTIFIER_KEY = Buffer.alloc(32, 7).toString('base64url');
const SAMPLES = new URL('../samples/', import.meta.url);

type Decision = Partial<FieldsOf<VerificationDecided>>;

/** An HTTP response of the adapter. */
export interface ReceivedResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Record<string, unknown>;
}

/** The parts of a request that differ from a valid one. */
export interface SentRequest {
  readonly body?: unknown;
  readonly method?: string;
  readonly path?: string;
  /** `undefined` omits the header. */
  readonly authorization?: string | undefined;
  readonly contentType?: string | undefined;
  readonly headers?: Record<string, string>;
}

/** A running SWAIG adapter on the in-process bus. One consumer answers in place of the other services. */
export class SwaigTestBed {
  /** Decides an attempt; undefined sends no reply. */
  decide: (request: VerificationRequested) => Decision | undefined | Promise<Decision> = () => ({});
  /** Returns the state of a call; undefined sends no reply. */
  callState: (request: CallStateRequested) => Partial<FieldsOf<CallStateAnswered>> | undefined = () => ({});
  /** The keys with which {@link sign} signs each reply. */
  readonly receiptKeys = ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1')));
  sign: SignReply | undefined = (text) => this.receiptKeys.signAnswer(text);
  readonly requests: VerificationRequested[] = [];
  /** The limit requests without an attempt. */
  readonly limitRequests: LimitRequested[] = [];
  /** Decides a limit request; undefined sends no reply. */
  decideLimit: (request: LimitRequested) => Partial<FieldsOf<LimitDecided>> | undefined = () => ({});
  readonly stateRequests: CallStateRequested[] = [];
  readonly facts: FactRecorded[] = [];
  /** The reported refusals from the adapter's refusal cache. */
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
    await bed.#startOtherServices();
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

  /** Publishes messages like the directory. */
  async publish(...messages: Message[]): Promise<void> {
    await this.broker.send(messages.map((one) => toBusRecord(one)));
  }

  async send(sent: SentRequest = {}): Promise<ReceivedResponse> {
    const { method = 'POST', path = '/swaig', body } = sent;
    const authorization = 'authorization' in sent ? sent.authorization : basic('desk', PASSWORD);
    const contentType = 'contentType' in sent ? sent.contentType : 'application/json';
    const isRaw = typeof body === 'string' || body === undefined || Buffer.isBuffer(body);
    const payload = isRaw ? body : JSON.stringify(body);
    const response = await fetch(`${this.service.urls['swaig']}${path}`, {
      method,
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...(contentType === undefined ? {} : { 'content-type': contentType }),
        ...sent.headers,
      },
      // Sends bytes, because fetch adds a content type to a text.
      ...(payload === undefined ? {} : { body: Buffer.isBuffer(payload) ? payload : Buffer.from(payload) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: parse(text) };
  }

  /** Calls a function like the platform. */
  async call(
    name: string,
    args: Record<string, unknown>,
    fields: Record<string, unknown> = {},
  ): Promise<ReceivedResponse> {
    return this.send({ body: functionCall(name, args, fields) });
  }

  /** Calls `verify_pin` like the platform. */
  async verify(args: Record<string, unknown>, fields: Record<string, unknown> = {}): Promise<ReceivedResponse> {
    return this.send({ body: pinCall(args, fields) });
  }

  /** The decrypted payload of a request. */
  async secretOf(request: VerificationRequested): Promise<Record<string, unknown>> {
    return this.payloadOpener.unseal(request.sealed, bindingOf(VerificationRequested, request));
  }

  /** The content of a request without its reply key. A redelivery has the same content. */
  async contentOf(request: VerificationRequested): Promise<string> {
    const { replyKey: _, ...submitted } = await this.secretOf(request);
    return bindingOf(VerificationRequested, request) + JSON.stringify(submitted);
  }

  /** The PIN in the payload of a request. */
  async pinOf(request: VerificationRequested): Promise<unknown> {
    return (await this.secretOf(request))['pin'];
  }

  async #startOtherServices(): Promise<void> {
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
    const consumer = await this.broker.consume(options, (consumed) => this.#answer(consumed));
    await consumer.ready;
  }

  async #answer(consumed: ConsumedRecord): Promise<void> {
    const { topic, headers, key, value } = consumed;
    this.bytes += `${key}${JSON.stringify(headers)}${value.toString()}`;
    const fields: unknown = JSON.parse(value.toString());
    switch (topic) {
      case TOPICS.facts.name:
        this.facts.push(message(FactRecorded, fields as FieldsOf<FactRecorded>));
        return;
      case TOPICS.queries.name: {
        if (headers[HEADERS.type] === KeyComparisonRequested.type) {
          const request = message(KeyComparisonRequested, fields as FieldsOf<KeyComparisonRequested>);
          return this.#reply(
            consumed,
            request,
            message(KeysCompared, { commandId: request.commandId, mismatches: [] }),
          );
        }
        const request = message(CallStateRequested, fields as FieldsOf<CallStateRequested>);
        this.stateRequests.push(request);
        const state = this.callState(request);
        if (state)
          await this.#reply(
            consumed,
            request,
            message(CallStateAnswered, { verified: false, level: 'none', ...state }),
          );
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
          return this.#reply(consumed, request, message(LimitDecided, { commandId, outcome: 'admitted', ...decided }));
        }
        return this.#decide(consumed, message(VerificationRequested, fields as FieldsOf<VerificationRequested>));
    }
  }

  async #decide(consumed: ConsumedRecord, request: VerificationRequested): Promise<void> {
    this.requests.push(request);
    const decided = await this.decide(request);
    if (decided === undefined) return;
    const { commandId } = request;
    const decision = message(VerificationDecided, { commandId, outcome: 'rejected', level: 'none', ...decided });
    if (decision.outcome === 'verified') await this.#addReceipt(decision, request);
    await this.#reply(consumed, request, decision);
  }

  /** Adds a receipt, encrypted with the reply key of the request. The adapter accepts no success without it. */
  async #addReceipt(decision: VerificationDecided, request: VerificationRequested): Promise<void> {
    const receipt = sealReply(receiptOf(decision, request), (await this.secretOf(request))['replyKey']);
    if (receipt !== undefined) decision.receipt ??= receipt;
  }

  async #reply({ headers }: ConsumedRecord, request: Message, reply: Message): Promise<void> {
    const correlation = { [HEADERS.correlationId]: headers[HEADERS.correlationId] ?? '' };
    const answer = { ...toBusRecord(reply, correlation), topic: headers[HEADERS.replyTo] ?? '' };
    await this.broker.send([this.sign ? withSignature(request, answer, this.sign) : answer]);
  }
}

/** A receipt with the claims that an adapter reads. Its signature is not valid, because adapters do not check it. */
export function receiptOf(
  { subjectId, level, verificationId }: Partial<VerificationDecided>,
  { tenant, agent, callId, method }: Partial<VerificationRequested> = { tenant: 'acme', agent: 'desk', method: 'pin' },
): string {
  const identity = { aud: tenant, sub: subjectId, agent, call_id: callId, level, method, jti: verificationId };
  const claims = { ...identity, exp: 1_795_341_900 };
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2lnbmF0dXJl`;
}

export function basic(agent: string, password: string): string {
  return `Basic ${Buffer.from(`${agent}:${password}`).toString('base64')}`;
}

/** A request body from `samples/`. */
export function sample(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(file, SAMPLES), 'utf8')) as Record<string, unknown>;
}

/** A captured request body with another function and arguments, and by default a new call id. */
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

/** A request body that calls `verify_pin`. */
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
