import { randomBytes, randomUUID } from 'node:crypto';
import {
  CommandAnswered,
  DEFAULT_POLICY,
  type FactRecorded,
  message,
  TenantDeletionStarted,
  type TenantErased,
  TenantPublished,
  TOPICS,
  WebhookCreateRequested,
  type Message,
  type Policy,
} from '@countersign/contracts';
import { createSealingKeys, PayloadOpener, Secret } from '@countersign/crypto';
import { type HostedService } from '@countersign/hosting';
import { BusClient, MemoryBroker, toRecord } from '@countersign/messaging';
import { createTestDatabase, eventually } from '@countersign/testing';
import { start } from '../src/start.js';

export const ACTOR = { kind: 'administrator', sourceAddress: '192.0.2.7' } as const;

/** An answer of the service. */
export interface BedAnswer {
  readonly answer: CommandAnswered['answer'];
  readonly body: Record<string, unknown>;
  readonly violations: CommandAnswered['violations'];
}

/** A webhook with the secret that its creation has shown. */
export interface CreatedWebhook {
  readonly id: string;
  readonly secret: string;
}

/** The service on the in-process bus and a database of its own; several copies may run. */
export class WebhooksTestBed {
  readonly facts: FactRecorded[] = [];
  readonly erasures: TenantErased[] = [];
  readonly copies: HostedService[] = [];
  readonly errors: Error[] = [];

  private constructor(
    readonly databaseUrl: string,
    private readonly broker: MemoryBroker,
    private readonly client: BusClient,
    private readonly env: Readonly<Record<string, string>>,
    private readonly drop: () => Promise<void>,
  ) {}

  /** @param settings in addition to short limits and an allowed loopback interface */
  static async open(settings: Readonly<Record<string, string>> = {}): Promise<WebhooksTestBed> {
    const database = await createTestDatabase();
    const broker = new MemoryBroker();
    await broker.ensureTopics(Object.values(TOPICS));
    const env = {
      ...{ DATABASE_URL: database.url, LOG_LEVEL: 'silent', WEBHOOK_KEYS: newKeys('k1') },
      ...{ WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1/32' },
      ...{ WEBHOOK_TIMEOUT_MS: '2000', WEBHOOK_RETRY_SECONDS: '1', WEBHOOK_MAX_RETRY_SECONDS: '1', ...settings },
    };
    const fatal = (error: Error): void => void bed.errors.push(error);
    const client = await BusClient.open({
      ...{ broker, owner: 'test', onFatal: fatal },
      proof: { isRequired: () => false, isValid: () => false },
    });
    const bed = new WebhooksTestBed(database.url, broker, client, env, database.drop);
    const follow = <T>(topic: string, seen: T[]) =>
      broker.follow(topic, ({ value }) => seen.push(JSON.parse(value.toString('utf8')) as T), fatal);
    await follow(TOPICS.facts.name, bed.facts);
    await follow(TOPICS.tenantErasures.name, bed.erasures);
    return bed;
  }

  async startCopy(settings: Readonly<Record<string, string>> = {}): Promise<HostedService> {
    const fatal = (error: Error): void => void this.errors.push(error);
    const copy = await start({ ...this.env, ...settings }, fatal, { broker: this.broker, ops: false });
    this.copies.push(copy);
    return copy;
  }

  /** Publishes a tenant as the directory does. */
  async putTenant(tenant = `t-${randomUUID().slice(0, 8)}`, createdAt?: string): Promise<string> {
    const fields = { tenant, name: tenant, policy: DEFAULT_POLICY as unknown as Policy };
    const entry = message(TenantPublished, { ...fields, ...(createdAt !== undefined && { createdAt }) });
    await this.broker.send([toRecord({ message: entry })]);
    return tenant;
  }

  /** Publishes that a tenant is being deleted, and returns when the service reports its erasure. */
  async eraseTenant(tenant: string, createdAt: string): Promise<void> {
    const seen = this.erasures.length;
    await this.broker.send([toRecord({ message: message(TenantDeletionStarted, { tenant, createdAt }) })]);
    const isReport = (one: TenantErased): boolean =>
      one.tenant === tenant && one.createdAt === createdAt && one.service === 'webhooks';
    await eventually('the erasure is reported', () => this.erasures.slice(seen).some(isReport), 60_000);
  }

  async command<T extends Message>(command: T): Promise<BedAnswer> {
    const { answer, body = {}, violations } = await this.client.request(command, CommandAnswered, 10_000);
    return { answer, body, violations };
  }

  /** The fields of a command about the webhooks of a tenant. */
  origin(tenant: string): { commandId: string; actor: typeof ACTOR; tenant: string } {
    return { commandId: `test-${randomUUID()}`, actor: ACTOR, tenant };
  }

  async create(tenant: string, url: string, eventTypes: string[] = ['*']): Promise<CreatedWebhook> {
    const { privateKeys, publicKeys: replyKeys } = await createSealingKeys('reply');
    const origin = this.origin(tenant);
    const fields = { ...origin, webhook: randomUUID(), url, eventTypes, hasAuditScope: true, replyKeys };
    const { answer, body } = await this.command(message(WebhookCreateRequested, fields));
    if (answer !== 'created') throw new Error(`the webhook was not created: ${answer}`);
    return { id: String(body['id']), secret: await openSecret(body['sealedSecret'], privateKeys, origin.commandId) };
  }

  /** Publishes an event as audit does. @returns its id */
  async publish(
    tenant: string,
    subject: string,
    kind = 'attempt.decided',
    data: object = {},
    time = new Date(),
  ): Promise<string> {
    const id = randomUUID();
    const headers = {
      ...{ 'content-type': 'application/json', ce_specversion: '1.0', ce_id: id, ce_source: '/countersign' },
      ...{ ce_type: `countersign.${kind}.v1`, ce_time: time.toISOString(), ce_tenant: tenant, ce_subject: subject },
    };
    await this.send(`${tenant}:${subject}`, Buffer.from(JSON.stringify({ subject, ...data })), headers);
    return id;
  }

  /** Writes any record to the topic of public events. */
  async send(key: string, value: Buffer, headers: Readonly<Record<string, string>>): Promise<void> {
    await this.broker.send([{ topic: TOPICS.auditEvents.name, key, value, headers }]);
  }

  async close(): Promise<void> {
    await Promise.all(this.copies.map((copy) => copy.close()));
    await this.client.close();
    await this.broker.close();
    await this.drop();
  }
}

/** A keyring with one new key. */
export const newKeys = (id: string): string => `${id}:${randomBytes(32).toString('base64url')}`;

/** Decrypts the secret of an answer, as the REST adapter does. */
export async function openSecret(sealed: unknown, privateKeys: string, commandId: string): Promise<string> {
  const opener = await PayloadOpener.fromKeySet(new Secret(privateKeys));
  return String((await opener.unseal(String(sealed), commandId))['secret']);
}
