/** What came back from one attempt. */
export interface ReceiverReply {
  /** HTTP status; undefined when there was no answer. */
  readonly status?: number;
  readonly retryAfterSeconds?: number;
}

export interface RetryRules {
  /** Pause after the first failure; it doubles with every further one. */
  readonly firstPauseSeconds: number;
  readonly maxPauseSeconds: number;
  /** A delivery is given up when its next attempt would be later than this after its first one. */
  readonly giveUpSeconds: number;
  /** A webhook without a single success for this long is disabled. */
  readonly disableSeconds: number;
}

/** What is known before an attempt ends, on the clock of the database. */
export interface DeliveryProgress {
  /** Attempts before this one since the delivery was created or replayed. */
  readonly attempts: number;
  /** Since the first of them; 0 for the first. */
  readonly secondsSinceFirst: number;
  /** Since the first of the webhook's consecutive failures; undefined when its last attempt succeeded. */
  readonly failingSeconds: number | undefined;
  readonly isTest: boolean;
}

export interface NextStep {
  readonly state: 'delivered' | 'failed' | 'pending';
  /** With `pending`: the pause before the next attempt. */
  readonly pauseSeconds: number;
  /** The receiver requested that nothing is sent for this long. */
  readonly holdSeconds: number;
  /** `gone`: the receiver answered 410. `failing`: it has failed for too long. */
  readonly disables?: 'gone' | 'failing';
}

/** Longest wait that a receiver may request, in seconds. */
const MAX_RETRY_AFTER_SECONDS = 86_400;
const GONE = 410;

/**
 * Decides what follows from an attempt.
 * @param random a number in [0, 1). Half of a pause is random, so that deliveries which failed together do not retry together
 */
export function nextStep(
  { status, retryAfterSeconds = 0 }: ReceiverReply,
  progress: DeliveryProgress,
  rules: RetryRules,
  random: number,
): NextStep {
  if (status !== undefined && status >= 200 && status < 300) {
    return { state: 'delivered', pauseSeconds: 0, holdSeconds: 0 };
  }
  // A test shows the answer of the receiver once, and says nothing about its events.
  if (progress.isTest) return { state: 'failed', pauseSeconds: 0, holdSeconds: 0 };
  const holdSeconds = Math.min(retryAfterSeconds, MAX_RETRY_AFTER_SECONDS);
  const longest = Math.min(rules.maxPauseSeconds, rules.firstPauseSeconds * 2 ** Math.min(progress.attempts, 30));
  const pauseSeconds = Math.max(holdSeconds, (longest / 2) * (1 + random));
  if (status === GONE) return { state: 'failed', pauseSeconds: 0, holdSeconds: 0, disables: 'gone' };
  const disables = (progress.failingSeconds ?? 0) >= rules.disableSeconds ? ({ disables: 'failing' } as const) : {};
  // Disabling keeps what waits: it is sent when the webhook is enabled.
  const isOver = progress.secondsSinceFirst + pauseSeconds > rules.giveUpSeconds && !('disables' in disables);
  return { state: isOver ? 'failed' : 'pending', pauseSeconds, holdSeconds, ...disables };
}
