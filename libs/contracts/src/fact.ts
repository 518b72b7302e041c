import { v7 as uuid } from 'uuid';
import { Type } from 'class-transformer';
import {
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  Min,
  ValidateNested,
} from 'class-validator';
import { Actor } from './management/actor.js';
import { message, Message, type FieldsOf } from './messages/message.js';
import { IsName } from './names.js';
import { TOPICS } from './topics.js';
import { IsUtcTime } from './utc-time.js';
import {
  ATTESTATION_PATTERN,
  LEVELS,
  METHODS,
  OUTCOMES,
  type Level,
  type Method,
  type Outcome,
} from './verification/verification.js';

/** Every kind of event, and when it is recorded. docs/events.md shows it. */
export const FACT_DESCRIPTIONS = {
  'attempt.decided':
    'An attempt was decided, with its outcome. `compared: false`: the submitted secret was not compared',
  'credential.locked': 'An attempt locked a credential',
  'credential.disabled': 'The consecutive failures of a credential reached its cap',
  'credential.unlocked': 'A credential was unlocked, with the `reason`',
  'credential.enrolled': 'A subject got its first PIN, or its first answers',
  'credential.changed': 'A PIN, or the answers, of a subject were replaced',
  'credential.removed': 'The PIN, or the answers, of a subject were removed',
  'credential.broken': 'Stored data was found altered; at most one event per row and minute',
  'credential.restored': 'An attempt counter was restored from the ledger',
  'subject.changed': 'A subject was created or changed; names the fields that differ',
  'subject.erased': 'A subject was erased',
  'subjects.imported': 'Subjects were imported; holds the id of the import and the number of rows with each result',
  'subjects.exported': 'Subjects were exported; holds their `count`, and whether these are all (`isComplete`)',
  'receipt.issued': 'A successful attempt got a receipt',
  'receipt.consumed': 'A receipt was consumed',
  'limit.refused':
    'A limit refused requests, with their `count`. The first refusal of a key is recorded before its answer',
  'limit.would_refuse': 'A limit in shadow mode would have refused requests, with their `count`',
  'limit.near': 'A key used 80 % of a limit of 5 or more; at most one event per key, period and copy',
  'limit.overridden': 'A limit was overridden, with the `reason`',
  'limit.override_deleted': 'An override of a limit was deleted; the limit of the policy applies again',
  'limit.reset': 'The counters of a limit were reset, with the `reason`',
  'limit.tightened': 'The limits of a tenant were tightened after a signal',
  'signal.spray': 'One caller asked about many subjects, or one agent submitted wrong PINs for many',
  'signal.pin_spray': 'One wrong PIN was submitted for many subjects',
  'signal.distributed': 'Many callers asked about one subject',
  'transfer.requested': 'A transfer to a destination of the policy was requested',
  'transfer.refused': 'A transfer to a destination outside the policy was refused',
  'access.refused':
    'A port refused passwords, API keys or keypad tokens, with their `count`; one event per source address and agent every five seconds',
  'operator.signed_in': 'An operator signed in; names the roles',
  'operator.sign_in_refused': 'A person signed in at the OpenID provider who has no role here',
  'operator.signed_out':
    'Sessions of an operator ended, with their `count`: the operator signed out, or the OpenID provider ended them',
  'tenant.changed': 'A tenant was created or changed; names the fields that differ',
  'tenant.disabled': 'A tenant was disabled: its agents and API keys cannot authenticate',
  'tenant.enabled': 'A tenant was enabled',
  'tenant.deletion_started':
    'The deletion of a disabled tenant has begun: its subjects, overrides and webhooks are being erased',
  'tenant.deleted':
    'A disabled tenant was deleted with its agents and API keys, after its subjects, overrides and webhooks were erased',
  'agent.created': 'An agent was created',
  'agent.rotated': 'The password and the API key of an agent were rotated',
  'agent.disabled': 'An agent was disabled: it cannot authenticate',
  'agent.enabled': 'An agent was enabled',
  'agent.deleted': 'An agent was deleted with its API keys',
  'api_key.created': 'An API key was created; names its scopes',
  'api_key.changed': 'The name of an API key was changed',
  'api_key.rotated': 'An API key was rotated: it has a new text',
  'api_key.disabled': 'An API key was disabled: it is refused',
  'api_key.enabled': 'An API key was enabled',
  'api_key.deleted': 'An API key was deleted',
  'policy.changed': 'An agent or its policy was changed; names the fields that differ',
  'webhook.created': 'A webhook was created',
  'webhook.changed': 'A webhook was changed; names the fields that differ',
  'webhook.rotated': 'A webhook got a new signing secret',
  'webhook.disabled':
    'A webhook was disabled: by an operator, because all its attempts had failed for too long, or because its receiver answered 410',
  'webhook.enabled': 'A webhook was enabled',
  'webhook.deleted': 'A webhook was deleted with its deliveries',
  'webhook.replayed': 'A delivery of a webhook was sent again on request',
  'key.rotated':
    'Stored credentials were encrypted under another key, or the loss of a key was accepted (`lost: true`)',
  'message.dead_lettered': 'A record could not be handled and became a dead letter',
  'audit.read':
    'Events, an event with its proof, or a live stream of events were read; names the filters, with the `count`',
  'audit.exported': 'Events were exported; names the filters and the format, with the `count`',
  'log.mismatch':
    'Ledger, log and topic have differed for a minute; names the `difference`, and the attempt, or the `index` and `count` of the entries',
  'log.shard_started':
    'The log entered a half-year (UTC): the first entry of a shard, with the last signed checkpoint of the shard before',
  'log.pruned':
    'The entries of old shards are removed, because their retention has ended; holds the first and the last index',
  'log.rolled_back':
    'The signer refused a tree head: it is smaller than the signed one, has another history, or does not match its tiles; holds both sizes',
} as const satisfies Record<string, string>;

export type FactKind = keyof typeof FACT_DESCRIPTIONS;
export const FACT_KINDS = Object.keys(FACT_DESCRIPTIONS) as FactKind[];

/** Versions of OCSF in which events can be published. Amazon Security Lake reads no version after 1.1.0. */
export const OCSF_VERSIONS = ['1.8.0', '1.1.0'] as const;
export type OcsfVersion = (typeof OCSF_VERSIONS)[number];

/** The tenant of facts about the installation itself. No tenant can have a name that begins with an underscore. */
export const INSTALLATION = '_installation';

/**
 * An event for the audit log. Written to the outbox in the transaction that it describes, and consumed by the audit service.
 * Contains no secret and no telephone number: subjects have ids, callers a keyed hash and the last digits.
 */
export class FactRecorded extends Message {
  static readonly type = 'fact.recorded.v1';
  static readonly topic = TOPICS.facts.name;

  /** Id of the event everywhere: outbox, log, public topic. Consumers are idempotent by it. */
  @IsUUID() factId!: string;
  @IsIn(FACT_KINDS) kind!: FactKind;
  /** Database time of the transaction, ISO 8601 UTC. Facts of the adapters have the time of their process. */
  @IsUtcTime() time!: string;
  /** The tenant, or {@link INSTALLATION}. */
  @Matches(/^(_installation|[a-z0-9][a-z0-9_-]{0,62})$/) tenant!: string;
  @IsOptional() @IsName() agent?: string;
  /** Who requested a change. Absent for what callers and the product itself do. */
  @IsOptional() @ValidateNested() @Type(() => Actor) actor?: Actor;
  /** The subject's id, when the subject exists. */
  @IsOptional() @IsString() @Length(1, 128) subject?: string;
  /** Keyed hash of the subject reference, whether the subject exists or not. */
  @IsOptional() @Matches(/^[0-9a-f]{64}$/) subjectKey?: string;
  @IsOptional() @IsString() @Length(1, 256) callId?: string;
  @IsOptional() @Matches(/^[0-9a-f]{64}$/) callerKey?: string;
  @IsOptional() @Matches(/^\d{0,2}$/) callerTail?: string;
  /** The statement of the network about the caller's number, if there is one. */
  @IsOptional() @Matches(ATTESTATION_PATTERN) attestation?: string;
  @IsOptional() @IsUUID() verificationId?: string;
  @IsOptional() @IsString() @Length(8, 128) commandId?: string;
  @IsOptional() @IsIn(METHODS) method?: Method;
  @IsOptional() @IsIn(['swaig', 'rest']) channel?: 'swaig' | 'rest';
  @IsOptional() @IsIn(OUTCOMES) outcome?: Outcome;
  @IsOptional() @IsIn(LEVELS) level?: Level;
  /** Gapless number of the attempt at this subject reference, from 1. */
  @IsOptional() @IsInt() @Min(1) attempt?: number;
  /** More fields by name. Flat, and never input of a caller. `reason` is what a person gave. */
  @IsOptional() @IsObject() detail?: Record<string, string | number | boolean>;

  get partitionKey(): string {
    return `${this.tenant}:${this.subjectKey ?? this.subject ?? this.agent ?? ''}`;
  }
}

/** A fact whose time is set, on the clock of the database, by the statement that stores it. */
export type UntimedFact = Omit<FieldsOf<FactRecorded>, 'time'>;

/** Without `factId`, the fact gets a new one. */
type FactFields = Omit<UntimedFact, 'factId' | 'kind'> & Partial<Pick<UntimedFact, 'factId'>>;

export function untimedFact(kind: FactKind, fields: FactFields): UntimedFact {
  const { reason, ...actor } = fields.actor ?? {};
  const why = reason === undefined ? {} : { actor: actor as Actor, detail: { ...fields.detail, reason } };
  return { factId: uuid(), kind, ...fields, ...why };
}

/** @param time when it happened, on the clock of the database where there is one */
export function factRecorded(kind: FactKind, time: Date, fields: FactFields): FactRecorded {
  return message(FactRecorded, { ...untimedFact(kind, fields), time: time.toISOString() });
}
