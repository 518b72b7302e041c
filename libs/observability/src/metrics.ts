import { Counter, Gauge, Histogram } from 'prom-client';

/** One value of a gauge with its labels. */
export interface Sample<Label extends string = string> {
  readonly labels: Readonly<Partial<Record<Label, string | number>>>;
  /** NaN when the value is unknown. */
  readonly value: number;
}

type Read<Label extends string> = () => readonly Sample<Label>[] | Promise<readonly Sample<Label>[]>;

/**
 * A gauge that reads its values at each scrape. Has any number of sources, because one process can hold several services. A
 * label set that no source returns any more, such as a partition that moved, disappears at the next scrape.
 */
export class ReadGauge<Label extends string> {
  readonly #sources = new Set<Read<Label>>();

  /** @param merge combines the values of two sources with the same labels, such as two copies of a service in one test */
  constructor(name: string, help: string, labelNames: readonly Label[], merge: (a: number, b: number) => number) {
    const gauge = new Gauge<Label>({
      name,
      help,
      labelNames: [...labelNames],
      collect: async () => {
        const samples = (await Promise.all([...this.#sources].map(valuesOrNone))).flat();
        gauge.reset();
        const merged = new Map<string, Sample<Label>>();
        for (const { labels, value } of samples) {
          const id = labelNames.map((label) => labels[label]).join('\n');
          const known = merged.get(id);
          merged.set(id, { labels, value: known === undefined ? value : merge(known.value, value) });
        }
        for (const { labels, value } of merged.values()) gauge.set({ ...labels }, value);
      },
    });
  }

  /** Adds a source. @returns removes it; its owner calls this when it closes */
  read(source: Read<Label>): () => void {
    this.#sources.add(source);
    return () => void this.#sources.delete(source);
  }
}

/** A source that fails must not hide the values of the others. */
async function valuesOrNone<Label extends string>(read: Read<Label>): Promise<readonly Sample<Label>[]> {
  try {
    return await read();
  } catch {
    return [];
  }
}

const sum = (a: number, b: number): number => a + b;

const WAITING_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const HANDLING_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

const verifications = new Counter({
  name: 'countersign_verifications_total',
  help: 'Verifications by outcome. Watch the share of unavailable and jumps of rejected, locked and rate_limited',
  labelNames: ['adapter', 'outcome'],
});

const answers = new Histogram({
  name: 'countersign_answer_seconds',
  help: 'Seconds from the arrival of a request to its answer. Watch for a p99 close to REPLY_TIMEOUT_MS',
  labelNames: ['adapter'],
  buckets: WAITING_SECONDS,
});

/** Verifications by outcome; an adapter counts them when it answers. */
export function outcomeCounter(): Counter<'adapter' | 'outcome'> {
  return verifications;
}

/** Seconds from a request's arrival at an adapter to its answer. */
export function answerSeconds(): Histogram<'adapter'> {
  return answers;
}

/** The metrics of every service and its bus. Labels contain names from the code, never input or personal data. */
export const METRICS = {
  up: new ReadGauge('countersign_up', '1 while the service is ready', ['service'], Math.min),
  hashLoad: new ReadGauge(
    'countersign_hash_load',
    'Attempts that are hashed or wait for a hash. Close to HASH_QUEUE: add cores or copies',
    ['service'],
    sum,
  ),
  hashQueue: new ReadGauge(
    'countersign_hash_queue',
    'Hashes that wait for a slot, including rehashes that no caller waits for',
    ['service'],
    sum,
  ),
  hashLibrary: new Gauge({
    name: 'countersign_hash_library',
    help: '1 for the library of argon2 that verification chose at its start: native, or node-rs where it was not built',
    labelNames: ['library'] as const,
  }),
  hashWait: new Histogram({
    name: 'countersign_hash_wait_seconds',
    help: 'Seconds that a hash waited for a slot. Close to REPLY_TIMEOUT_MS: callers get unavailable',
    buckets: WAITING_SECONDS,
  }),
  hashTime: new Histogram({
    name: 'countersign_hash_seconds',
    help: 'Seconds of one hash, with the wait for a thread. Much higher than on an idle machine: lower HASH_CONCURRENCY',
    buckets: HANDLING_SECONDS,
  }),
  hashRefused: new Counter({
    name: 'countersign_hash_refused_total',
    help: 'Attempts that were answered unavailable because the hash queue was full',
  }),
  tampered: new Counter({
    name: 'countersign_tampered_rows_total',
    help: 'Uses of stored data that was found altered: credential, profile, phone, counter, reply or verification. Each one needs an operator',
    labelNames: ['what', 'reason'],
  }),
  credentialsRefused: new Counter({
    name: 'countersign_credentials_refused_total',
    help: 'Requests with a wrong password, API key or keypad token, by channel: swaig, rest. Many: an attack. The event access.refused names source address and agent',
    labelNames: ['channel'],
  }),
  events: new Counter({
    name: 'countersign_events_total',
    help: 'Events that audit recorded, by kind; a redelivered event counts again. Each signal.* is a detected attack',
    labelNames: ['kind'],
  }),
  auditDifferences: new ReadGauge(
    'countersign_audit_differences',
    'Attempts that were counted and are not in the log, and other differences between ledger, log and topic, by kind. Must return to 0 within a minute',
    ['difference'],
    Math.max,
  ),
  comparisonAge: new ReadGauge(
    'countersign_audit_comparison_age_seconds',
    'Seconds since the end of the last period for which the ledger was compared with the log. Usually below 30',
    [],
    Math.max,
  ),
  keysMismatched: new ReadGauge(
    'countersign_keys_mismatched',
    '1 while a key of this adapter does not match the verification service, or the adapters use other keys than this limiter; the log names the setting',
    ['service', 'setting'],
    Math.max,
  ),
  refusalCacheSize: new ReadGauge(
    'countersign_limit_keys_remembered',
    'Keys in the refusal cache of the limiter or of an adapter',
    ['service'],
    sum,
  ),
  limitDecisions: new Counter({
    name: 'countersign_limit_decisions_total',
    help: 'Decisions of the rate limiter: admitted, refused, would_refuse (shadow mode), near (80 % of a limit). Source: store, memory (refusal cache of the limiter), adapter (refusal cache of an adapter)',
    labelNames: ['outcome', 'dimension', 'source'],
  }),

  attackSignals: new ReadGauge(
    'countersign_attack_signals',
    'Signals of the last ten minutes, by kind; NaN while the database of audit does not answer. Above 0: an attack goes on',
    ['kind'],
    Math.max,
  ),
  attackedTenants: new ReadGauge(
    'countersign_attacked_tenants',
    'Tenants with a signal in the last ten minutes, by kind. Several: somebody attacks the installation, not one tenant',
    ['kind'],
    Math.max,
  ),
  tightenedTenants: new ReadGauge(
    'countersign_tightened_tenants',
    'Tenants with limits that are halved after a signal; every limit of such a tenant is. Each copy shows all: use the maximum',
    [],
    Math.max,
  ),
  overrides: new ReadGauge(
    'countersign_limit_overrides',
    'Overrides in force, by limit and whether a reason was given. Each copy shows all: use the maximum',
    ['dimension', 'reason'],
    Math.max,
  ),
  oldestOverride: new ReadGauge(
    'countersign_limit_override_age_seconds',
    'Age of the oldest override in force, by limit; 0 without one. More than a day: change the policy instead',
    ['dimension'],
    Math.max,
  ),
  overridesEnded: new Counter({
    name: 'countersign_limit_overrides_ended_total',
    help: 'Overrides that ended: expired (counted when they are purged), deleted, replaced, tenant_deleted',
    labelNames: ['reason'],
  }),

  signIns: new Counter({
    name: 'countersign_operator_sign_ins_total',
    help: 'Sign-ins of operators by method (oidc, key) and result: success; no_role; expired (not begun in this browser, too old, or used before); mismatch (state, nonce or ID token is not that of this sign-in); provider_refused; wrong_key; cross_site; unavailable. Many that are no success: somebody guesses, or the provider is configured wrongly',
    labelNames: ['method', 'result'],
  }),
  operatorSessions: new ReadGauge(
    'countersign_operator_sessions',
    'Open sessions of operators; NaN while the database of the directory does not answer',
    [],
    Math.max,
  ),
  operatorSessionsEnded: new Counter({
    name: 'countersign_operator_sessions_ended_total',
    help: 'Sessions of operators that ended: sign_out, everywhere, provider (back-channel logout), replaced (by a further sign-in), idle, absolute. The last two are counted within a minute',
    labelNames: ['reason'],
  }),
  operatorRequestsRefused: new Counter({
    name: 'countersign_operator_requests_refused_total',
    help: 'Requests of operators that were refused: recent_sign_in (another sign-in was demanded), role (no role permits it in this tenant), cross_site (no CSRF token, or another site), session_ended, token (invalid token of a script)',
    labelNames: ['reason'],
  }),
  logoutTokens: new Counter({
    name: 'countersign_logout_tokens_total',
    help: 'Back-channel logout tokens: accepted, repeated, refused, unavailable. Refused or unavailable: sessions stay open that the provider has ended',
    labelNames: ['result'],
  }),
  openIdRequests: new Histogram({
    name: 'countersign_openid_request_seconds',
    help: 'Seconds of a request to the OpenID provider, by request (discovery, keys, token, userinfo) and outcome: answered, refused (status 4xx), failed (no answer, or status 5xx)',
    labelNames: ['request', 'outcome'],
    buckets: WAITING_SECONDS,
  }),
  consoleRequests: new Histogram({
    name: 'countersign_console_request_seconds',
    help: 'Seconds from the arrival of a request of the console to its answer, by route group and outcome: answered, refused (status 4xx), failed (status 5xx). Group page: loads of the page. Live streams and exports are left out',
    labelNames: ['group', 'outcome'],
    buckets: WAITING_SECONDS,
  }),
  streams: new Gauge({
    name: 'countersign_streams',
    help: 'Open requests that last: live (streams of events), event_export, subject_export, subject_import',
    labelNames: ['kind'],
  }),
  streamsRefused: new Counter({
    name: 'countersign_streams_refused_total',
    help: 'Such requests that were refused because too many were open, of all clients or of one tenant',
    labelNames: ['kind'],
  }),

  checkpointAge: new ReadGauge(
    'countersign_log_checkpoint_age_seconds',
    'Seconds since the signer last published a checkpoint, or found the log empty. More than two minutes: the log is not signed',
    [],
    Math.min,
  ),
  signedEntries: new ReadGauge(
    'countersign_log_signed_entries',
    'Entries of the audit log that the signer has signed',
    [],
    Math.max,
  ),
  logRefusals: new Counter({
    name: 'countersign_log_refusals_total',
    help: 'Times that the signer found the log to contradict what it has signed: rollback, fork, damaged. Each one needs an operator',
    labelNames: ['kind'],
  }),
  witnessFailures: new Counter({
    name: 'countersign_log_witness_failures_total',
    help: 'Checkpoints that a witness did not sign in time; the log names the reason',
    labelNames: ['witness'],
  }),

  webhookAttempts: new Counter({
    name: 'countersign_webhook_attempts_total',
    help: 'Attempts to deliver an event to a webhook: delivered, retried, failed (given up), lease_lost (another copy sends it again)',
    labelNames: ['outcome'],
  }),
  webhookSeconds: new Histogram({
    name: 'countersign_webhook_seconds',
    help: 'Seconds of one attempt to deliver an event. Close to WEBHOOK_TIMEOUT_MS: receivers are slow',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30],
  }),
  webhooksPending: new ReadGauge(
    'countersign_webhook_pending_deliveries',
    'Deliveries of enabled webhooks that wait, counted up to 100000',
    [],
    Math.max,
  ),
  webhooksOldest: new ReadGauge(
    'countersign_webhook_oldest_seconds',
    'Age of the oldest of these deliveries, 0 without one. Hours: a receiver is down; see the delivery logs',
    [],
    Math.max,
  ),

  lag: new ReadGauge(
    'countersign_consumer_lag_records',
    'Records of a partition that the group has not finished. Growing: too slow. Constant while nothing is handled: stuck',
    ['service', 'group', 'topic', 'partition'],
    Math.max,
  ),
  inFlight: new ReadGauge(
    'countersign_records_in_flight',
    'Records being handled. Always at MAX_IN_FLIGHT: the database or the hash is too slow',
    ['service', 'group'],
    sum,
  ),
  waiting: new ReadGauge(
    'countersign_records_waiting',
    'Fetched records that wait for a slot or for an earlier record of their key',
    ['service', 'group'],
    sum,
  ),
  retrying: new ReadGauge(
    'countersign_records_retrying',
    'Records that failed for a temporary reason and wait for a retry',
    ['service', 'group'],
    sum,
  ),
  records: new Counter({
    name: 'countersign_records_total',
    help: 'Attempts to handle a record by outcome: handled, expired (the caller no longer waits), retried, dead_lettered (needs an operator)',
    labelNames: ['service', 'group', 'topic', 'outcome'],
  }),
  failures: new Counter({
    name: 'countersign_record_failures_total',
    help: 'Failed attempts to handle a record by error code and outcome: retried, dead_lettered',
    labelNames: ['service', 'group', 'topic', 'outcome', 'code'],
  }),
  handling: new Histogram({
    name: 'countersign_handling_seconds',
    help: 'Seconds of one attempt to handle a record, including the publishing of its results',
    labelNames: ['service', 'group', 'topic'],
    buckets: HANDLING_SECONDS,
  }),

  sent: new Counter({
    name: 'countersign_sent_records_total',
    help: 'Records that all in-sync replicas acknowledged; all reply addresses count as the topic replies',
    labelNames: ['service', 'topic'],
  }),
  sending: new Histogram({
    name: 'countersign_send_seconds',
    help: 'Seconds until all in-sync replicas acknowledged a send, or it failed. Whole seconds: the broker has a problem',
    labelNames: ['service'],
    buckets: HANDLING_SECONDS,
  }),
  sendFailures: new Counter({
    name: 'countersign_send_failures_total',
    help: 'Failed sends by error code; an outbox retries',
    labelNames: ['service', 'code'],
  }),

  pendingRequests: new ReadGauge(
    'countersign_requests_waiting',
    'Requests of an adapter that wait for a reply',
    ['service'],
    sum,
  ),
  replies: new Histogram({
    name: 'countersign_reply_seconds',
    help: 'Seconds from publishing a request to its reply',
    labelNames: ['service'],
    buckets: WAITING_SECONDS,
  }),
  replyTimeouts: new Counter({
    name: 'countersign_reply_timeouts_total',
    help: 'Requests without a reply in time: callers got unavailable',
    labelNames: ['service'],
  }),
  unprovenReplies: new Counter({
    name: 'countersign_unproven_replies_total',
    help: 'Replies that were dropped because the signature or MAC of the verification service was missing or wrong: RECEIPT_PUBLIC_KEYS does not match RECEIPT_KEYS, or replies are forged',
    labelNames: ['service'],
  }),
  lateReplies: new Counter({
    name: 'countersign_late_replies_total',
    help: 'Replies that came after the time-out. Many: REPLY_TIMEOUT_MS is too short, or a service queues',
    labelNames: ['service'],
  }),

  outboxPending: new ReadGauge(
    'countersign_outbox_pending_records',
    'Committed records that are not yet published, counted up to 100000; NaN while the database does not answer',
    ['service'],
    Math.max,
  ),
  outboxAge: new ReadGauge(
    'countersign_outbox_oldest_age_seconds',
    'Age of the oldest record in the outbox, 0 without one; NaN while the database does not answer. More than a few seconds: the broker is not available',
    ['service'],
    Math.max,
  ),

  connectionsCut: new Counter({
    name: 'countersign_http_connections_cut_total',
    help: 'Connections that an HTTP port refused or ended by reason: connections, address (too many of one address), handshake (of TLS), headers, slow_sender, slow_reader. Many: an attack, or a limit that is too low',
    labelNames: ['service', 'reason'],
  }),
  tlsExpiry: new ReadGauge(
    'countersign_tls_certificate_expiry_timestamp_seconds',
    'End of the validity of the server certificate in use, in seconds since 1970',
    ['service'],
    Math.min,
  ),
  tlsFilesRefused: new ReadGauge(
    'countersign_tls_files_refused',
    '1 while the TLS files on disk break a rule and older ones are in use; the log names the rule',
    ['service'],
    Math.max,
  ),

  spansLost: new Counter({
    name: 'countersign_spans_lost_total',
    help: 'Spans that the collector did not accept',
    labelNames: ['service'],
  }),
} as const;
