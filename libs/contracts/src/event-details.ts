import { LIMIT_DIMENSIONS } from './management/policy.js';
import { type FactKind } from './fact.js';

/** A field of the detail of an event. */
export interface DetailField {
  readonly type: 'string' | 'integer' | 'boolean';
  readonly meaning: string;
  readonly example: string | number | boolean;
  readonly values?: readonly string[];
}

const text = (meaning: string, example: string): DetailField => ({ type: 'string', meaning, example });
const oneOf = (meaning: string, ...values: readonly string[]): DetailField => {
  return { type: 'string', meaning, example: values[0] ?? '', values };
};
const number = (meaning: string, example = 1): DetailField => ({ type: 'integer', meaning, example });
const flag = (meaning: string): DetailField => ({ type: 'boolean', meaning, example: true });

const fields = text('Names of the fields that differ, separated by spaces', 'name policy.limits');
const reason = text('What a person gave as the reason', 'request of the customer');
const count = number('How many requests the event reports');
const withinSeconds = number('Length of the window in which these were counted, in seconds', 600);
const credential = {
  credential: oneOf('Which credential', 'pin', 'knowledge'),
  version: number('Version of the credential'),
  by: oneOf('Who set it', 'administrator', 'caller'),
  'mustChange?': flag('The subject must change the PIN before it is used'),
};
const limit = {
  dimension: oneOf('What the limit counts by', ...LIMIT_DIMENSIONS),
  limit: number('Requests in a period', 10),
  periodSeconds: number('Length of a period, in seconds', 60),
  'action?': text('What was requested, if it was no verification', 'transfer'),
  count,
};
const waiver = {
  'knowledgeWaiverOwner?': text('Owner of the waiver by which knowledge alone verifies a caller', 'compliance'),
  'knowledgeWaiverExpires?': text('When that waiver ends', '2027-01-01'),
};
const webhook = { webhook: text('Id of the webhook', '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10') };
const key = { key: text('Id of the API key', 'k-7f3a'), name: text('Name of the API key', 'billing') };
const override = text('Id of the override', '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10');
const rewrapped = number('Rows that were encrypted under it', 1000);
const shard = text('Half-year of the shard; of `log.pruned`, the last one that is removed', '2026h2');
const compared = { 'compared?': flag('`false`: the submitted secret was not compared') };
const filters = text('Names of the filters that were used, separated by spaces; never their values', 'subject from to');

/**
 * The fields of `unmapped.detail` for each kind. A name that ends in `?` can be absent, as a reason that is encrypted in
 * `unmapped.sealed`. Kinds that are not listed have no detail. docs/events.md and docs/asyncapi.yaml show them.
 */
export const EVENT_DETAILS: Readonly<Partial<Record<FactKind, Readonly<Record<string, DetailField>>>>> = {
  'attempt.decided': compared,
  'credential.unlocked': { 'reason?': reason },
  'credential.enrolled': credential,
  'credential.changed': credential,
  'credential.removed': {
    credential: credential.credential,
    version: credential.version,
    by: credential.by,
    'reason?': reason,
  },
  'credential.broken': {
    what: text('Which stored data: `counter`, `credential`, `phone` or another', 'counter'),
    'reason?': text('How it was altered: `altered`, `rolled_back`, `below_ledger` or another', 'rolled_back'),
  },
  'credential.restored': { what: oneOf('Which stored data', 'counter'), tries: number('Attempts in the counter') },
  'subject.changed': { fields },
  'subject.erased': { 'withTenant?': flag('The whole tenant was erased'), 'reason?': reason },
  'subjects.imported': {
    created: number('Subjects that were created', 980),
    updated: number('Subjects that were changed', 15),
    unchanged: number('Subjects that were already so', 3),
    rejected: number('Rows that were rejected', 2),
    isComplete: flag('`false`: the import ended early'),
  },
  'subjects.exported': { count: number('Subjects that were exported', 1000), isComplete: flag('These are all') },
  'limit.refused': limit,
  'limit.would_refuse': limit,
  'limit.near': limit,
  'limit.overridden': {
    overrideId: override,
    dimension: limit.dimension,
    target: text('Whom the override is for; empty: every key of the dimension', 'desk'),
    limit: limit.limit,
    periodSeconds: limit.periodSeconds,
    shadow: flag('Decides and reports, and refuses nothing'),
    reason,
    expiresAt: text('When the override ends', '2026-12-01T00:00:00.000Z'),
  },
  'limit.override_deleted': { overrideId: override, 'reason?': reason },
  'limit.reset': { dimension: limit.dimension, target: text('Whose counters', 'desk'), reason },
  'limit.tightened': { seconds: number('For how long, in seconds', 3600) },
  'signal.spray': { subjects: number('Distinct subjects', 20), withinSeconds, 'count?': count },
  'signal.pin_spray': { subjects: number('Distinct subjects', 20), withinSeconds },
  'signal.distributed': { callers: number('Distinct callers', 20), withinSeconds, count },
  'transfer.requested': { department: text('Destination of the policy', 'support') },
  'transfer.refused': { code: oneOf('Why', 'NOT_LISTED') },
  'operator.signed_in': {
    with: oneOf('How the operator signed in', 'oidc', 'key'),
    'tenants?': text('The tenants to which all roles are bound, separated by spaces', 'acme'),
  },
  'operator.sign_in_refused': {
    code: oneOf('Why', 'NO_ROLE'),
  },
  'operator.signed_out': { by: oneOf('Who ended the sessions', 'operator', 'provider'), count: number('Sessions') },
  'access.refused': { source: text('Address of the client, or `others`', '192.0.2.7'), count },
  'tenant.changed': { fields, ...waiver },
  'tenant.disabled': { 'reason?': reason },
  'tenant.enabled': { 'reason?': reason },
  'tenant.deletion_started': { 'reason?': reason },
  'tenant.deleted': { 'reason?': reason },
  'agent.created': { fields, ...waiver },
  'agent.rotated': { fields, ...waiver },
  'agent.disabled': { fields, 'reason?': reason, ...waiver },
  'agent.enabled': { fields, 'reason?': reason, ...waiver },
  'agent.deleted': { 'reason?': reason },
  'policy.changed': { fields, ...waiver },
  'api_key.created': { ...key, scopes: text('Scopes, separated by spaces', 'manage audit') },
  'api_key.changed': { ...key, fields },
  'api_key.rotated': key,
  'api_key.disabled': { ...key, 'reason?': reason },
  'api_key.enabled': { ...key, 'reason?': reason },
  'api_key.deleted': { key: key.key, 'reason?': reason },
  'webhook.created': webhook,
  'webhook.changed': { ...webhook, fields },
  'webhook.rotated': { ...webhook, graceSeconds: number('How long the old secret signs too, in seconds', 86_400) },
  'webhook.disabled': { ...webhook, reason: oneOf('Why', 'operator', 'failing', 'gone') },
  'webhook.enabled': webhook,
  'webhook.deleted': { ...webhook, 'reason?': reason },
  'webhook.replayed': { ...webhook, delivery: text('Id of the delivery', '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10') },
  'key.rotated': {
    'setting?': text('Name of the setting of the key', 'IDENTIFIER_KEY'),
    'key?': text('Id of the key that is used now', 'k2'),
    'lost?': flag('The loss of a key was accepted'),
    'namesKey?': flag('The names key was lost too'),
    'credentials?': rewrapped,
    'profiles?': rewrapped,
    'subject keys?': rewrapped,
    'names key?': rewrapped,
    'broken?': number('Rows that could not be decrypted', 0),
  },
  'message.dead_lettered': {
    group: text('Consumer group', 'verification'),
    topic: text('Topic of the record', 'verification.admissions'),
    partition: number('Partition of the record', 3),
    offset: text('Offset of the record', '120'),
    'type?': text('Type of the message', 'verification.admitted.v1'),
    code: text('Error code', 'POISON'),
    sha256: text(
      'SHA-256 of the value of the record',
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    ),
  },
  'audit.read': {
    filters,
    'event?': text('Id of the one event that was read', '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10'),
    'live?': flag('A stream of new events was opened'),
    'count?': number('Events that were read', 50),
  },
  'audit.exported': {
    filters,
    format: text('Format of the export', 'ndjson'),
    count: number('Events that were exported', 1000),
    isComplete: flag('`false`: the export ended early'),
  },
  'log.mismatch': {
    difference: text('What does not agree, for example `not_logged`', 'not_logged'),
    'index?': number('Index of the entry in the log', 70_000),
    'count?': number('How many entries in a row'),
  },
  'log.shard_started': {
    shard,
    first: number('Index of this entry', 70_000),
    'checkpoint?': text('The signed note; absent when nothing was signed yet', 'log.example/audit\n69990\n…'),
  },
  'log.pruned': {
    shard,
    from: number('First index', 0),
    to: number('Last index', 65_535),
    size: number('Size of a signed log that has them', 70_000),
    root: text('Root of that log, base64', '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='),
  },
  'log.rolled_back': {
    refusal: oneOf('How the log contradicts what was signed', 'rollback', 'fork', 'damaged'),
    'signedSize?': number('Size of the log that was signed last', 70_000),
    'size?': number('Size of the refused tree head', 69_000),
  },
};
