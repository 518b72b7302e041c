import {
  ArrayMaxSize,
  ArrayMinSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { Type } from 'class-transformer';
import { FACT_KINDS, type FactKind } from '../fact.js';
import { DIRECTORY_STATES, ManagementCommand, MAX_PAGE_SIZE, type DirectoryState } from './management.js';
import { IsName } from '../names.js';
import { Preconditions } from './preconditions.js';
import { TOPICS } from '../topics.js';

/** Subscribes to every event of the tenant, also to kinds that a later version adds. */
export const ALL_EVENT_TYPES = '*';
/** What a webhook can subscribe to: kinds of events, or all of them. */
export const WEBHOOK_EVENT_TYPES: readonly string[] = [ALL_EVENT_TYPES, ...FACT_KINDS];
/**
 * Kinds of events that a webhook gets without the scope `audit`: changes of what `manage` reads anyway. All other kinds, and
 * those that are added later, describe callers, attempts or limits, which only `audit` may read.
 */
const KINDS_OF_MANAGEMENT: ReadonlySet<string> = new Set<FactKind>([
  'credential.enrolled',
  'credential.changed',
  'credential.removed',
  'credential.unlocked',
  'subject.changed',
  'subject.erased',
  'subjects.imported',
  'subjects.exported',
  'limit.overridden',
  'limit.override_deleted',
  'limit.reset',
  'tenant.changed',
  'tenant.disabled',
  'tenant.enabled',
  'tenant.deletion_started',
  'tenant.deleted',
  'agent.created',
  'agent.rotated',
  'agent.disabled',
  'agent.enabled',
  'agent.deleted',
  'policy.changed',
  'api_key.created',
  'api_key.changed',
  'api_key.rotated',
  'api_key.disabled',
  'api_key.enabled',
  'api_key.deleted',
  'webhook.created',
  'webhook.changed',
  'webhook.rotated',
  'webhook.disabled',
  'webhook.enabled',
  'webhook.deleted',
  'webhook.replayed',
]);
/** Whether a webhook with these event types may be subscribed, or sent elsewhere, only with the scope `audit`. */
export const needAuditScope = (eventTypes: readonly string[]): boolean =>
  eventTypes.some((kind) => !KINDS_OF_MANAGEMENT.has(kind));
/** The kind of the event that a test sends. It is no fact, so it is on no topic and in no log. */
export const WEBHOOK_TEST_KIND = 'webhook.test';

/** Most webhooks of one tenant. */
export const MAX_WEBHOOKS_PER_TENANT = 20;
/** Longest URL, in characters. */
export const MAX_WEBHOOK_URL_LENGTH = 2048;
/** Printable ASCII: a client encodes everything else. */
export const WEBHOOK_URL_PATTERN = /^[\x21-\x7e]{1,2048}$/;
export const WEBHOOK_DESCRIPTION_PATTERN = /^[^\p{Cc}\p{Cs}]{1,200}$/u;

/**
 * `pending`: the next attempt is due or planned. `delivered`: the receiver answered 2xx. `failed`: given up after the last
 * attempt.
 */
export const DELIVERY_STATES = ['pending', 'delivered', 'failed'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** Base of the commands about the webhooks of one tenant. Those of one tenant are handled in order. */
abstract class TenantWebhooksCommand extends ManagementCommand {
  @IsName() tenant!: string;
  /** Only in a command that changes a webhook: conditions on it as it is before the change. */
  @IsOptional() @ValidateNested() @Type(() => Preconditions) preconditions?: Preconditions;
  get partitionKey(): string {
    return this.tenant;
  }
}

/** Base of the commands about one webhook. */
abstract class WebhookCommand extends TenantWebhooksCommand {
  @IsUUID() webhook!: string;
}

/**
 * Creates a webhook. The REST adapter chooses the id, so a redelivered command finds what it created. `replyKeys` is a JSON
 * Web Key Set with the public key of this one request: the secret in the answer is encrypted for it.
 */
export class WebhookCreateRequested extends WebhookCommand {
  static readonly type = 'webhook.create-requested.v1';
  static readonly topic = TOPICS.webhookCommands.name;
  @Matches(WEBHOOK_URL_PATTERN) url!: string;
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(100)
  @ArrayUnique()
  @IsIn(WEBHOOK_EVENT_TYPES, { each: true })
  eventTypes!: string[];
  @IsOptional() @Matches(WEBHOOK_DESCRIPTION_PATTERN) description?: string;
  /** Whether the client has the scope `audit`, see {@link needAuditScope}. Absent: it has not. */
  @IsOptional() @IsBoolean() hasAuditScope?: boolean;
  @IsString() @Length(1, 1024) replyKeys!: string;
}

/** Requests a webhook without its secrets. */
export class WebhookRequested extends WebhookCommand {
  static readonly type = 'webhook.requested.v1';
  static readonly topic = TOPICS.webhookCommands.name;
}

/** Requests one page of a tenant's webhooks, in the order of their creation. */
export class WebhookListRequested extends TenantWebhooksCommand {
  static readonly type = 'webhook-list.requested.v1';
  static readonly topic = TOPICS.webhookCommands.name;
  @IsInt() @Min(1) @Max(MAX_PAGE_SIZE) limit!: number;
  /** The page begins after this id. */
  @IsOptional() @IsUUID() cursor?: string;
  @IsOptional() @IsIn(DIRECTORY_STATES) state?: DirectoryState;
}

/** Changes a webhook. An absent field keeps its value; a `description` of null is removed. */
export class WebhookChangeRequested extends WebhookCommand {
  static readonly type = 'webhook.change-requested.v1';
  static readonly topic = TOPICS.webhookCommands.name;
  @IsOptional() @Matches(WEBHOOK_URL_PATTERN) url?: string;
  @IsOptional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(100)
  @ArrayUnique()
  @IsIn(WEBHOOK_EVENT_TYPES, { each: true })
  eventTypes?: string[];
  @IsOptional() @Matches(WEBHOOK_DESCRIPTION_PATTERN) description?: string | null;
  /** As in {@link WebhookCreateRequested}. */
  @IsOptional() @IsBoolean() hasAuditScope?: boolean;
}

/** Enables or disables a webhook. Deliveries that wait are kept. */
export class WebhookStateChangeRequested extends WebhookCommand {
  static readonly type = 'webhook.state-change-requested.v1';
  static readonly topic = TOPICS.webhookCommands.name;
  @IsIn(DIRECTORY_STATES) state!: DirectoryState;
}

/** Gives a webhook a new secret. Until `graceSeconds` are over, deliveries are signed with the old one too. */
export class WebhookSecretRotateRequested extends WebhookCommand {
  static readonly type = 'webhook.secret-rotate-requested.v1';
  static readonly topic = TOPICS.webhookCommands.name;
  @IsInt() @Min(0) @Max(604_800) graceSeconds!: number;
  /** As in {@link WebhookCreateRequested}. */
  @IsString() @Length(1, 1024) replyKeys!: string;
}

/** Deletes a webhook with its deliveries. */
export class WebhookDeleteRequested extends WebhookCommand {
  static readonly type = 'webhook.delete-requested.v1';
  static readonly topic = TOPICS.webhookCommands.name;
}

/** Queues a test event for a webhook, also for a disabled one. It is sent once. */
export class WebhookTestRequested extends WebhookCommand {
  static readonly type = 'webhook.test-requested.v1';
  static readonly topic = TOPICS.webhookCommands.name;
}

/** Requests one page of the deliveries of a webhook, the newest first. */
export class DeliveryListRequested extends WebhookCommand {
  static readonly type = 'delivery-list.requested.v1';
  static readonly topic = TOPICS.webhookCommands.name;
  @IsInt() @Min(1) @Max(MAX_PAGE_SIZE) limit!: number;
  /** The page begins after this position of the log. */
  @IsOptional() @Matches(/^[1-9]\d{0,17}$/) cursor?: string;
  @IsOptional() @IsIn(DELIVERY_STATES) state?: DeliveryState;
}

/** Sends a delivery again, with the same id, or brings its next attempt forward. */
export class DeliveryReplayRequested extends WebhookCommand {
  static readonly type = 'delivery.replay-requested.v1';
  static readonly topic = TOPICS.webhookCommands.name;
  @IsUUID() delivery!: string;
}
