import { type DeliveryState } from '@countersign/contracts';
import { type NextStep } from './retry.decision.js';

/** A public event for the webhooks of its tenant. */
export interface WebhookEvent {
  readonly eventId: string;
  readonly tenant: string;
  /** The kind, such as `attempt.decided`. */
  readonly kind: string;
  /** Events of one queue are delivered in order. */
  readonly queue: string;
  readonly time: Date;
  /** What is sent. Made on request, because most events have no webhook. */
  body(): Buffer;
}

/** A queue with a due delivery. */
export interface DueQueue {
  readonly tenant: string;
  readonly webhook: string;
  readonly queue: string;
  readonly url: string;
  /** Consecutive failed attempts of the webhook. */
  readonly failures: number;
}

/** The first delivery of a leased queue. */
export interface LeasedDelivery {
  readonly lease: string;
  readonly tenant: string;
  readonly webhook: string;
  readonly queue: string;
  readonly delivery: string;
  readonly eventId: string;
  readonly body: Buffer;
  readonly url: string;
  /** Current ones, the newest first, in the form `whsec_…`. Undefined: they cannot be decrypted for this row. */
  readonly secrets: readonly string[] | undefined;
  readonly isTest: boolean;
  /** Since the delivery was created or replayed. */
  readonly attempts: number;
  readonly secondsSinceFirst: number;
  readonly failingSeconds: number | undefined;
  /** Database time of the lease. */
  readonly now: Date;
}

/** One attempt, as the delivery log keeps it. */
export interface LoggedAttempt {
  /** ISO 8601. */
  readonly at: string;
  readonly status?: number;
  /** When there was no answer. */
  readonly error?: string;
  readonly milliseconds: number;
}

/** An entry of the delivery log. */
export interface DeliveryRecord {
  readonly delivery: string;
  /** Position in the log. */
  readonly seq: string;
  readonly eventId: string;
  /** The type of the event. */
  readonly type: string;
  readonly state: DeliveryState;
  readonly attempts: readonly LoggedAttempt[];
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
  /** When the queue of the delivery is due; null when it is not pending. */
  readonly nextAttemptAt: Date | null;
}

/** Queues the events for the webhooks that subscribe to them. */
export abstract class EventIntake {
  /**
   * Queues an event for each enabled webhook of its tenant that subscribes to its kind and was not created after the event. An
   * event that was queued before is not queued again. `tenant.deleted` deletes the webhooks that its tenant had.
   * @throws ServiceError DATABASE_UNAVAILABLE, retriable
   */
  abstract record(event: WebhookEvent): Promise<void>;
}

/** The queues of all webhooks. All times are on the clock of the database. */
export abstract class DeliveryQueues {
  /** Due queues, at most `perWebhook` of one webhook, those of one webhook in the order in which they became due. */
  abstract due(perWebhook: number): Promise<DueQueue[]>;

  /**
   * Leases queues for a time, and returns the first delivery of each. Queues that another copy has leased are left out, and
   * empty ones are removed.
   */
  abstract lease(queues: readonly DueQueue[], seconds: number): Promise<LeasedDelivery[]>;

  /**
   * Records an attempt and what follows from it, and ends the lease.
   * @returns false when the lease was lost: another copy sends the delivery again
   */
  abstract complete(leased: LeasedDelivery, attempt: LoggedAttempt, next: NextStep): Promise<boolean>;

  /**
   * Removes what is older than the retention, also what still waits, and the oldest deliveries of a webhook for which more than
   * `maxPending` wait.
   * @returns the number of deliveries that were removed because too many waited
   */
  abstract purge(retentionDays: number, maxPending: number): Promise<number>;

  /** For metrics. */
  abstract backlog(): Promise<{ readonly pending: number; readonly oldestSeconds: number }>;
}
