import {
  type Actor,
  type DeliveryState,
  type DirectoryState,
  type FactKind,
  type Preconditions,
  type TenantPublished,
} from '@countersign/contracts';
import { type DeliveryRecord } from '../deliveries/deliveries.ports.js';
import { type SigningSecret } from './signing-secrets.decision.js';

export type DisabledReason = 'operator' | 'failing' | 'gone';

/** A webhook as stored, without its secrets. */
export interface WebhookRecord {
  readonly webhook: string;
  readonly tenant: string;
  readonly url: string;
  /** Sorted. */
  readonly eventTypes: readonly string[];
  readonly description: string | null;
  readonly createdAt: Date;
  readonly disabledAt: Date | null;
  readonly disabledReason: DisabledReason | null;
  /** The first of the consecutive failed attempts; null when the last attempt succeeded. */
  readonly failingSince: Date | null;
}

/** What a command finds, with the webhooks of its tenant locked. */
export interface WebhookSnapshot {
  /** Undefined: the tenant has no such webhook. */
  readonly webhook: WebhookRecord | undefined;
  /** Number of webhooks of the tenant. */
  readonly count: number;
  /** Time of creation of the tenant of this id that was erased last, ISO 8601. */
  readonly erasedTenant: string | undefined;
  /** Database time. */
  readonly now: Date;
  /** The secrets of the webhook. @throws ServiceError CREDENTIAL_BROKEN when they cannot be decrypted for its row */
  readonly secrets: () => SigningSecret[];
}

/** The effect of a command. */
export interface WebhookChange {
  readonly save?: {
    readonly webhook: WebhookRecord;
    /** Bound to URL and event types, so they are written when one of these changes. Absent: they are kept. */
    readonly secrets?: readonly SigningSecret[];
    /** A new secret, encrypted for the request. */
    readonly sealedSecret?: string;
  };
  /** Deletes the webhook with its deliveries. */
  readonly deletes?: true;
  readonly fact: { readonly kind: FactKind; readonly detail: Readonly<Record<string, string | number>> };
}

/** The last answer that showed a secret of a webhook. */
export interface SecretReply {
  readonly commandId: string;
  readonly sealedSecret: string;
}

/** A command about one webhook. */
export interface WebhookCommandFields {
  readonly commandId: string;
  readonly actor: Actor;
  readonly tenant: string;
  readonly webhook: string;
  readonly preconditions?: Preconditions;
}

export interface WebhookPageQuery {
  readonly limit: number;
  readonly after?: string | undefined;
  readonly state?: DirectoryState | undefined;
}

export interface DeliveryPageQuery {
  readonly limit: number;
  /** Entries before this position. */
  readonly before?: string | undefined;
  readonly state?: DeliveryState | undefined;
}

/** Stores webhooks and their delivery log. All methods throw ServiceError DATABASE_UNAVAILABLE, retriable. */
export abstract class WebhookStore {
  /**
   * Calls `decide` with the webhooks of the tenant locked, and writes its change with its fact in the same transaction.
   * @returns `repeated`: the command took effect before, so `decide` was not called
   */
  abstract change(
    command: WebhookCommandFields,
    decide: (snapshot: WebhookSnapshot) => WebhookChange | undefined,
  ): Promise<'changed' | 'unchanged' | 'repeated'>;

  abstract find(
    tenant: string,
    webhook: string,
  ): Promise<{ readonly webhook: WebhookRecord; readonly reply: SecretReply | undefined } | undefined>;

  abstract list(tenant: string, query: WebhookPageQuery): Promise<WebhookRecord[]>;

  /** @returns undefined when the tenant has no such webhook */
  abstract deliveries(tenant: string, webhook: string, query: DeliveryPageQuery): Promise<DeliveryRecord[] | undefined>;

  /**
   * Makes a delivery pending again, due now, and records the fact. A repeated command changes nothing.
   * @returns the delivery; undefined when the webhook has no such delivery
   */
  abstract replay(command: WebhookCommandFields, delivery: string): Promise<DeliveryRecord | undefined>;

  /**
   * Queues a test event, due now. A repeated command finds what it queued.
   * @param event its id and its body
   * @returns undefined when the tenant has no such webhook
   */
  abstract queueTest(
    command: WebhookCommandFields,
    event: { readonly eventId: string; readonly body: Buffer },
  ): Promise<DeliveryRecord | undefined>;

  /** Encrypts the secrets of all webhooks under the first key. @returns the number of rows that it changed */
  abstract rewrap(): Promise<number>;
}

/** The tenants of the directory. */
export abstract class KnownTenants {
  /** @returns undefined for an unknown tenant, and for one that is being deleted */
  abstract find(tenant: string): Pick<TenantPublished, 'createdAt'> | undefined;
}

/** Encrypts a secret for the one request that will show it. */
export abstract class SecretReplies {
  /** @throws Error when the keys are invalid */
  abstract seal(secret: string, replyKeys: string, commandId: string): Promise<string>;
}
