import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import {
  LimitRequested,
  LimitDecided,
  AgentCreateRequested,
  AgentChangeRequested,
  AgentDeleteRequested,
  AgentListRequested,
  AgentPublished,
  AgentRequested,
  AgentRotateRequested,
  AgentStateChangeRequested,
  ApiKeyChangeRequested,
  ApiKeyCreateRequested,
  ApiKeyDeleteRequested,
  ApiKeyListRequested,
  ApiKeyPublished,
  ApiKeyRequested,
  ApiKeyRotateRequested,
  ApiKeyStateChangeRequested,
  ApiKeyUseReported,
  bindingOf,
  CallStateAnswered,
  CallStateRequested,
  CommandAnswered,
  KeyComparisonRequested,
  KeysCompared,
  KnowledgeChangeRequested,
  LimitOverrideDeleteRequested,
  LimitOverrideListRequested,
  LimitOverrideReadRequested,
  LimitOverrideRequested,
  LimitResetRequested,
  LimitStateRequested,
  message,
  OperatorSessionRequested,
  PinChangeRequested,
  PolicyChangeRequested,
  PolicyRequested,
  ReceiptIntrospected,
  ReceiptIntrospectionRequested,
  RefusalsCounted,
  SubjectChangeRequested,
  SubjectEraseRequested,
  SubjectImportRequested,
  SubjectListRequested,
  CredentialRemoveRequested,
  SubjectStateRequested,
  SubjectUnlockRequested,
  TenantChangeRequested,
  TenantDeleteRequested,
  TenantListRequested,
  TenantPublished,
  TenantRequested,
  TenantStateChangeRequested,
  TOPICS,
  VerificationDecided,
  VerificationRequested,
  DeliveryListRequested,
  DeliveryReplayRequested,
  WebhookChangeRequested,
  WebhookCreateRequested,
  WebhookDeleteRequested,
  WebhookListRequested,
  WebhookRequested,
  WebhookSecretRotateRequested,
  WebhookStateChangeRequested,
  WebhookTestRequested,
  type FieldsOf,
  type Message,
  type MessageClass,
  type Policy,
} from '@countersign/contracts';
import {
  decode,
  HEADERS,
  MemoryBroker,
  withSignature,
  toRecord,
  type ConsumedRecord,
  type SignReply,
} from '@countersign/messaging';
import {
  createApiKey,
  createReceiptKeys,
  createSealingKeys,
  KeyedHash,
  ReceiptKeys,
  sealReply,
  Secret,
  sha256,
  PayloadOpener,
  PayloadSealer,
} from '@countersign/crypto';
import { pino } from 'pino';
import { cookieValueOf, COOKIES } from '../src/operators/session-cookies.js';
import { start, type RestAdapter } from '../src/start.js';

export const ADMIN_KEY = 'admin-key-of-the-tests-0123456789';
const IDENTIFIER_KEY = Buffer.alloc(32, 7).toString('base64url');

/** The cookie of the session of an operator. */
export const sessionCookieOf = (id: string): string =>
  `countersign=${cookieValueOf(new KeyedHash(new Secret(IDENTIFIER_KEY)), COOKIES.session, id)}`;

/** The API key of the agent `desk` of the tenant `acme`. */
export const AGENT_KEY = 'cs_key-of-the-agent-desk-of-acme';
/** The same for `help` of `umbrella`. */
export const OTHER_AGENT_KEY = 'cs_key-of-the-agent-help-of-umbrella';

/**
 * API keys by what they may do, and why they are refused. All are of the tenant `acme`, but for `other`, which manages
 * `umbrella`.
 */
export const API_KEYS = {
  verify: createApiKey(),
  manage: createApiKey(),
  'manage:read': createApiKey(),
  audit: createApiKey(),
  'verify manage': createApiKey(),
  other: createApiKey(),
  expired: createApiKey(),
  rotated: createApiKey(),
  /** Its agent does not exist. */
  agentless: createApiKey(),
};

type Decision = Partial<FieldsOf<VerificationDecided>>;
type Answer = Partial<FieldsOf<CommandAnswered>>;

const COMMANDS: ReadonlyMap<string, MessageClass> = new Map(
  [
    VerificationRequested,
    RefusalsCounted,
    LimitRequested,
    OperatorSessionRequested,
    TenantChangeRequested,
    TenantDeleteRequested,
    AgentCreateRequested,
    AgentRotateRequested,
    AgentChangeRequested,
    AgentStateChangeRequested,
    AgentDeleteRequested,
    AgentRequested,
    AgentListRequested,
    ApiKeyCreateRequested,
    ApiKeyChangeRequested,
    ApiKeyStateChangeRequested,
    ApiKeyRotateRequested,
    ApiKeyDeleteRequested,
    ApiKeyRequested,
    ApiKeyListRequested,
    ApiKeyUseReported,
    TenantStateChangeRequested,
    TenantRequested,
    TenantListRequested,
    PolicyRequested,
    PolicyChangeRequested,
    SubjectChangeRequested,
    PinChangeRequested,
    KnowledgeChangeRequested,
    SubjectStateRequested,
    SubjectEraseRequested,
    SubjectImportRequested,
    SubjectListRequested,
    CredentialRemoveRequested,
    CallStateRequested,
    ReceiptIntrospectionRequested,
    KeyComparisonRequested,
    LimitOverrideDeleteRequested,
    LimitOverrideListRequested,
    LimitOverrideReadRequested,
    LimitOverrideRequested,
    LimitResetRequested,
    LimitStateRequested,
    SubjectUnlockRequested,
    DeliveryListRequested,
    DeliveryReplayRequested,
    WebhookChangeRequested,
    WebhookCreateRequested,
    WebhookDeleteRequested,
    WebhookListRequested,
    WebhookRequested,
    WebhookSecretRotateRequested,
    WebhookStateChangeRequested,
    WebhookTestRequested,
  ].map((type): [string, MessageClass] => [type.type, type]),
);

/** A command as the other services received it. */
export interface SeenCommand {
  readonly type: string;
  readonly key: string;
  readonly fields: Record<string, unknown>;
}

/** A REST adapter with an open port, on a real in-process bus. One consumer replies for all other services. */
export class RestTestBed {
  /** The reply of the verification service to an attempt; undefined: no reply. */
  decide: (request: VerificationRequested) => Decision | undefined | Promise<Decision> = () => ({
    outcome: 'verified',
    level: 'verified',
  });
  /** The reply of the service that carries out a management command; undefined: no reply. */
  answer: (type: string, fields: Record<string, unknown>) => Answer | undefined | Promise<Answer | undefined> = () => ({
    answer: 'updated',
  });
  /** The reply of the verification service to a query; undefined: no reply. */
  callState: () => Partial<FieldsOf<CallStateAnswered>> | undefined = () => ({});
  introspect: () => Partial<FieldsOf<ReceiptIntrospected>> | undefined = () => ({});
  /** The receipt keys of the verification service. {@link sign} signs each reply. */
  readonly receiptKeys = ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1')));
  sign: SignReply | undefined = (text) => this.receiptKeys.signAnswer(text);
  readonly commands: SeenCommand[] = [];
  /** Ids of the API keys whose use was reported. */
  readonly uses: string[] = [];
  /** All bytes of the records on the bus, and of the log. */
  bytes = '';
  log = '';

  private constructor(
    readonly broker: MemoryBroker,
    readonly unsealer: PayloadOpener,
  ) {}

  adapter!: RestAdapter;
  /** The requests of the limiter for anything but attempts. */
  /** What a created webhook signs with. */
  readonly webhookSecret = `whsec_${randomBytes(32).toString('base64')}`;
  readonly limitRequests: LimitRequested[] = [];
  /** The decision of the limiter about them. */
  decideLimit: () => Partial<FieldsOf<LimitDecided>> = () => ({});

  static async open(environment: Record<string, string> = {}): Promise<RestTestBed> {
    const keys = await createSealingKeys('k1');
    const bed = new RestTestBed(new MemoryBroker(), await PayloadOpener.fromKeySet(new Secret(keys.privateKeys)));
    const env = {
      REST_PORT: '0',
      ADMIN_API_KEY: ADMIN_KEY,
      IDENTIFIER_KEY,
      SEALING_PUBLIC_KEYS: keys.publicKeys,
      RECEIPT_PUBLIC_KEYS: JSON.stringify({ keys: bed.receiptKeys.published }),
      ...environment,
    };
    await bed.#startOthers();
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        bed.log += chunk.toString();
        done();
      },
    });
    bed.adapter = await start(env, fail, { broker: bed.broker, logger: pino({}, sink), ops: false });
    return bed;
  }

  async close(): Promise<void> {
    await this.adapter.close();
    await this.broker.close();
  }

  /** A request with a JSON body; `key` is sent as the bearer. */
  async call(
    method: string,
    path: string,
    options: { key?: string | undefined; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<{ status: number; headers: Headers; body: Record<string, unknown>; text: string }> {
    const { key, body } = options;
    const response = await fetch(`${this.adapter.urls['rest']}${path}`, {
      method,
      headers: {
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const parsed = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    return { status: response.status, headers: response.headers, body: parsed, text };
  }

  /** The opened payload of the last command. */
  async unsealed(): Promise<Record<string, unknown>> {
    const { type = '', fields = {} } = this.commands.at(-1) ?? {};
    return this.unsealer.unseal(
      String(fields['sealed']),
      bindingOf(COMMANDS.get(type) ?? VerificationRequested, fields),
    );
  }

  /** The content of the last request without the key of its reply: a repetition has the same text. */
  async content(): Promise<string> {
    const { replyKey: _, ...submitted } = await this.unsealed();
    return bindingOf(VerificationRequested, this.commands.at(-1)?.fields ?? {}) + JSON.stringify(submitted);
  }

  async #startOthers(): Promise<void> {
    const { requests, queries, subjectCommands, directoryCommands, limitCommands, webhookCommands } = TOPICS;
    const commands = [requests, queries, subjectCommands, directoryCommands, limitCommands, webhookCommands];
    await this.broker.ensureTopics([...commands, TOPICS.directory]);
    await this.broker.send(
      [
        message(TenantPublished, { tenant: 'acme', name: 'Acme', policy }),
        agent('acme', 'desk', AGENT_KEY, policy),
        agent('umbrella', 'help', OTHER_AGENT_KEY, { ...policy, tellAttemptsLeft: true }),
        apiKey('verify', { scopes: ['verify'], agent: 'desk' }),
        apiKey('manage', { scopes: ['manage'] }),
        apiKey('manage:read', { scopes: ['manage:read'] }),
        apiKey('audit', { scopes: ['audit'] }),
        apiKey('verify manage', { scopes: ['verify', 'manage'], agent: 'desk' }),
        apiKey('other', { tenant: 'umbrella', scopes: ['manage'] }),
        apiKey('expired', { scopes: ['manage'], expiresAt: '2020-01-01T00:00:00Z' }),
        apiKey('rotated', {
          scopes: ['manage'],
          hashes: [{ hash: sha256(API_KEYS.rotated), validUntil: '2020-01-01T00:00:00Z' }],
        }),
        apiKey('agentless', { scopes: ['verify'], agent: 'nobody' }),
      ].map((published) => toRecord({ message: published })),
    );
    const topics = commands.map((topic) => topic.name);
    const consumer = await this.broker.consume({ group: 'others', topics, onFatal: fail }, (taken) =>
      this.#reply(taken),
    );
    await consumer.ready;
  }

  async #reply(taken: ConsumedRecord): Promise<void> {
    // Like the real services, it does not reply to a command that breaks a rule of its class.
    const command = decode(taken, COMMANDS);
    const fields: Record<string, unknown> = { ...command };
    const type = taken.headers[HEADERS.type] ?? '';
    // Each start compares keys, and most requests pass the limiter first; tests count the other commands.
    const aside: readonly string[] = [
      ...[KeyComparisonRequested.type, LimitRequested.type, ApiKeyUseReported.type, OperatorSessionRequested.type],
    ];
    if (!aside.includes(type)) this.commands.push({ type, key: taken.key, fields });
    this.bytes += `${taken.key}${taken.value.toString()}${JSON.stringify(taken.headers)}`;
    if (type === ApiKeyUseReported.type) this.uses.push(String(fields['keyId']));
    if (type === RefusalsCounted.type || type === ApiKeyUseReported.type) return;
    const reply = await this.#answerTo(type, String(fields['commandId']), fields);
    if (reply === undefined) return;
    if (reply instanceof VerificationDecided && reply.outcome === 'verified') await this.#addReceipt(reply, fields);
    const headers = { [HEADERS.correlationId]: taken.headers[HEADERS.correlationId] ?? '' };
    const answer = toRecord({ message: reply, topic: taken.headers[HEADERS.replyTo] ?? '', headers });
    await this.broker.send([this.sign ? withSignature(command, answer, this.sign) : answer]);
  }

  /** The adapter accepts a success only with a receipt under the key of its request. */
  async #addReceipt(reply: VerificationDecided, fields: Record<string, unknown>): Promise<void> {
    const binding = bindingOf(VerificationRequested, fields);
    const { replyKey } = await this.unsealer.unseal(String(fields['sealed']), binding);
    const receipt = sealReply(receiptOf(reply, fields), replyKey);
    if (receipt !== undefined) reply.receipt ??= receipt;
  }

  async #answerTo(type: string, commandId: string, fields: Record<string, unknown>): Promise<Message | undefined> {
    if (type === VerificationRequested.type) {
      const decision = await this.decide(Object.assign(new VerificationRequested(), fields));
      return decision && message(VerificationDecided, { commandId, outcome: 'rejected', level: 'none', ...decision });
    }
    switch (type) {
      case LimitRequested.type:
        this.limitRequests.push(Object.assign(new LimitRequested(), fields));
        return message(LimitDecided, { commandId, outcome: 'admitted', ...this.decideLimit() });
      case KeyComparisonRequested.type:
        return message(KeysCompared, { commandId, mismatches: [] });
      case CallStateRequested.type: {
        const state = this.callState();
        return state && message(CallStateAnswered, { verified: false, level: 'none', ...state });
      }
      case ReceiptIntrospectionRequested.type: {
        const found = this.introspect();
        return found && message(ReceiptIntrospected, { commandId, active: false, ...found });
      }
    }
    const answer = await this.answer(type, fields);
    // The webhooks service encrypts a new secret for the request.
    if (answer && typeof fields['replyKeys'] === 'string') {
      const sealer = await PayloadSealer.fromKeySet(fields['replyKeys']);
      answer.body = { ...answer.body, sealedSecret: await sealer.seal({ secret: this.webhookSecret }, commandId) };
    }
    return answer && message(CommandAnswered, { commandId, answer: 'updated', ...answer });
  }
}

/** A receipt with the claims that an adapter reads: tenant, subject, agent, call, level, method and verification. */
export function receiptOf(
  { subjectId, level, verificationId }: Partial<VerificationDecided>,
  { tenant, agent, callId, method }: Partial<VerificationRequested> = { tenant: 'acme', agent: 'desk', method: 'pin' },
): string {
  const names = { aud: tenant, sub: subjectId, agent, call_id: callId, level, method, jti: verificationId };
  const claims = { ...names, exp: 1_795_341_900 };
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2lnbmF0dXJl`;
}

function apiKey(
  name: keyof typeof API_KEYS,
  fields: Partial<ApiKeyPublished> & Pick<ApiKeyPublished, 'scopes'>,
): ApiKeyPublished {
  const hashes = [{ hash: sha256(API_KEYS[name]) }];
  const keyId = `key_${name.replace(/\W/g, '_')}`;
  return message(ApiKeyPublished, { tenant: 'acme', keyId, hashes, ...fields });
}

function agent(tenant: string, name: string, apiKey: string, its: Policy): AgentPublished {
  const passwords = [{ hash: sha256(`password of ${name}`) }];
  return message(AgentPublished, {
    tenant,
    agent: name,
    name,
    passwords,
    apiKeys: [{ hash: sha256(apiKey) }, { hash: sha256(`${apiKey}-ended`), validUntil: '2020-01-01T00:00:00Z' }],
    policy: its,
  });
}

const limit = { limit: 10, periodSeconds: 60 };
const policy: Policy = {
  attempts: { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 },
  limits: { caller: limit, call: limit, subject: limit, agent: limit, tenant: limit, subjectsPerCaller: limit },
  functions: ['verify_pin'],
  unlocksFunctions: { identified: [], verified: [] },
  knowledge: {
    questions: [
      { name: 'last_four_ssn', description: 'Last four digits', kind: 'digits', length: 4 },
      { name: 'zip_code', description: 'ZIP code', kind: 'zip' },
    ],
  },
  transfers: {},
  verifiedSeconds: 900,
  endVerificationOnChange: true,
  trustsCallsOf: [],
  greetByName: true,
  tellAttemptsLeft: false,
  discloseUnknownCaller: false,
  texts: {},
  defaultCountry: null,
};

function fail(error: Error): void {
  throw error;
}
