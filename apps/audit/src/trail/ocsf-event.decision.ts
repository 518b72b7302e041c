import { type ActorKind, type FactKind, type FactRecorded, type Method, type Outcome } from '@countersign/contracts';

/** An event in the Open Cybersecurity Schema Framework, version 1.8.0: the public form of a fact. */
export type OcsfEvent = Readonly<Record<string, unknown>>;

const SCHEMA_VERSION = '1.8.0';
const CLASSES = {
  authentication: { class_uid: 3002, category_uid: 3 },
  accountChange: { class_uid: 3001, category_uid: 3 },
  apiActivity: { class_uid: 6003, category_uid: 6 },
} as const;

interface Classification {
  readonly family: keyof typeof CLASSES;
  readonly activityId: number;
  readonly activityName: string;
}

const CLASSIFICATIONS: Readonly<Record<FactKind, Classification>> = {
  'attempt.decided': { family: 'authentication', activityId: 1, activityName: 'Logon' },
  'limit.refused': { family: 'authentication', activityId: 1, activityName: 'Logon' },
  'limit.would_refuse': { family: 'apiActivity', activityId: 99, activityName: 'Would Refuse' },
  'limit.near': { family: 'apiActivity', activityId: 99, activityName: 'Limit Near' },
  'limit.overridden': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'limit.override_deleted': { family: 'apiActivity', activityId: 4, activityName: 'Delete' },
  'limit.reset': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'limit.tightened': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'signal.spray': { family: 'apiActivity', activityId: 99, activityName: 'Signal' },
  'signal.pin_spray': { family: 'apiActivity', activityId: 99, activityName: 'Signal' },
  'signal.distributed': { family: 'apiActivity', activityId: 99, activityName: 'Signal' },
  'credential.locked': { family: 'accountChange', activityId: 9, activityName: 'Lock' },
  'credential.enrolled': { family: 'accountChange', activityId: 3, activityName: 'Password Change' },
  'credential.changed': { family: 'accountChange', activityId: 3, activityName: 'Password Change' },
  'credential.removed': { family: 'accountChange', activityId: 99, activityName: 'Credential Removed' },
  'subject.changed': { family: 'accountChange', activityId: 99, activityName: 'Subject Change' },
  'subjects.imported': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'subjects.exported': { family: 'apiActivity', activityId: 2, activityName: 'Read' },
  'tenant.changed': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'tenant.disabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'tenant.enabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'tenant.deletion_started': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'tenant.deleted': { family: 'apiActivity', activityId: 4, activityName: 'Delete' },
  'agent.created': { family: 'apiActivity', activityId: 1, activityName: 'Create' },
  'agent.rotated': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'agent.disabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'agent.enabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'agent.deleted': { family: 'apiActivity', activityId: 4, activityName: 'Delete' },
  'api_key.created': { family: 'apiActivity', activityId: 1, activityName: 'Create' },
  'api_key.changed': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'api_key.rotated': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'api_key.disabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'api_key.enabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'api_key.deleted': { family: 'apiActivity', activityId: 4, activityName: 'Delete' },
  'policy.changed': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'webhook.created': { family: 'apiActivity', activityId: 1, activityName: 'Create' },
  'webhook.changed': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'webhook.rotated': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'webhook.disabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'webhook.enabled': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'webhook.deleted': { family: 'apiActivity', activityId: 4, activityName: 'Delete' },
  'webhook.replayed': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'message.dead_lettered': { family: 'apiActivity', activityId: 99, activityName: 'Dead Letter' },
  'credential.disabled': { family: 'accountChange', activityId: 5, activityName: 'Disable' },
  'credential.unlocked': { family: 'accountChange', activityId: 12, activityName: 'Unlock' },
  'credential.broken': { family: 'accountChange', activityId: 99, activityName: 'Tampering Found' },
  'credential.restored': { family: 'accountChange', activityId: 99, activityName: 'Counter Restored' },
  'key.rotated': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'receipt.issued': { family: 'apiActivity', activityId: 1, activityName: 'Create' },
  'receipt.consumed': { family: 'apiActivity', activityId: 3, activityName: 'Update' },
  'subject.erased': { family: 'accountChange', activityId: 6, activityName: 'Delete' },
  'transfer.requested': { family: 'apiActivity', activityId: 99, activityName: 'Transfer' },
  'transfer.refused': { family: 'apiActivity', activityId: 99, activityName: 'Transfer' },
  'access.refused': { family: 'apiActivity', activityId: 99, activityName: 'Access Refused' },
  'audit.read': { family: 'apiActivity', activityId: 2, activityName: 'Read' },
  'audit.exported': { family: 'apiActivity', activityId: 2, activityName: 'Read' },
  'log.mismatch': { family: 'apiActivity', activityId: 99, activityName: 'Log Mismatch' },
  'log.pruned': { family: 'apiActivity', activityId: 4, activityName: 'Delete' },
  'log.rolled_back': { family: 'apiActivity', activityId: 99, activityName: 'Rollback Refused' },
};

/** Kinds that report altered data or an incomplete log: critical severity. */
const CRITICAL_SEVERITY: ReadonlySet<FactKind> = new Set<FactKind>([
  'credential.broken',
  'log.mismatch',
  'log.rolled_back',
]);

/** Kinds without an outcome that have medium severity. */
const MEDIUM_SEVERITY: ReadonlySet<FactKind> = new Set<FactKind>([
  'credential.locked',
  'credential.disabled',
  'credential.restored',
  'message.dead_lettered',
  'transfer.refused',
  'access.refused',
  'limit.tightened',
  'signal.spray',
  'signal.pin_spray',
  'signal.distributed',
]);

/** API activities that are failures by their kind. */
const FAILURES: ReadonlySet<FactKind> = new Set<FactKind>([
  'message.dead_lettered',
  'transfer.refused',
  'access.refused',
  'log.mismatch',
  'log.rolled_back',
]);

interface OutcomeFields {
  readonly severityId: number;
  readonly code: string;
  readonly detail: string | undefined;
  readonly denied: boolean;
}

const OUTCOME_FIELDS: Readonly<Record<Outcome, OutcomeFields>> = {
  verified: { severityId: 1, code: 'VERIFIED', detail: undefined, denied: false },
  rejected: { severityId: 2, code: 'PIN_MISMATCH', detail: 'INVALID_CREDENTIALS', denied: true },
  locked: { severityId: 3, code: 'LOCKED', detail: 'ACCOUNT_LOCKED_OUT', denied: true },
  disabled: { severityId: 3, code: 'DISABLED', detail: 'ACCOUNT_DISABLED', denied: true },
  rate_limited: { severityId: 3, code: 'RATE_LIMITED', detail: undefined, denied: true },
  unavailable: { severityId: 3, code: 'UNAVAILABLE', detail: undefined, denied: true },
};

/** OCSF has no protocol for a PIN or a security question; protocol id 99 (other) carries these names. */
const FACTORS: Readonly<Record<Method, OcsfEvent>> = {
  pin: { auth_protocol: 'PIN', auth_factors: [{ factor_type_id: 11, factor_type: 'Password' }] },
  knowledge: { auth_protocol: 'Knowledge', auth_factors: [{ factor_type_id: 2, factor_type: 'Security Question' }] },
};

const SEVERITIES: Readonly<Record<number, string>> = { 1: 'Informational', 2: 'Low', 3: 'Medium', 5: 'Critical' };

/** The public form of a fact; every kind has one. */
export function toOcsf(fact: FactRecorded): OcsfEvent {
  const { family, activityId, activityName } = CLASSIFICATIONS[fact.kind];
  const { class_uid, category_uid } = CLASSES[family];
  const severityId = severityOf(fact);
  return {
    activity_id: activityId,
    activity_name: activityName,
    category_uid,
    class_uid,
    type_uid: class_uid * 100 + activityId,
    time: Date.parse(fact.time),
    severity_id: severityId,
    severity: SEVERITIES[severityId],
    metadata: metadata(fact, family === 'authentication'),
    ...fieldsOf(family, fact),
    unmapped: {
      kind: fact.kind,
      ...(fact.attempt === undefined ? {} : { attempt: fact.attempt }),
      ...(fact.level === undefined ? {} : { level: fact.level }),
      ...(fact.channel === undefined ? {} : { channel: fact.channel }),
      ...(fact.agent === undefined ? {} : { agent: fact.agent }),
      ...(fact.subjectKey === undefined ? {} : { subject_key: fact.subjectKey }),
      ...(fact.callerKey === undefined ? {} : { caller_key: fact.callerKey, caller_tail: fact.callerTail ?? '' }),
      ...(fact.attestation === undefined ? {} : { caller_attestation: fact.attestation }),
      ...(fact.verificationId === undefined ? {} : { verification_id: fact.verificationId }),
      ...(fact.detail === undefined ? {} : { detail: fact.detail }),
    },
  };
}

function severityOf({ kind, outcome }: FactRecorded): number {
  if (outcome !== undefined) return OUTCOME_FIELDS[outcome].severityId;
  if (CRITICAL_SEVERITY.has(kind)) return 5;
  return MEDIUM_SEVERITY.has(kind) ? 3 : 1;
}

function fieldsOf(family: Classification['family'], fact: FactRecorded): OcsfEvent {
  switch (family) {
    case 'authentication':
      return authentication(fact);
    case 'accountChange':
      return {
        user: user(fact),
        ...(fact.actor && { actor: actor(fact), src_endpoint: sourceOf(fact) }),
        ...changeStatus(fact),
      };
    case 'apiActivity':
      return {
        api: { operation: fact.kind, service: { name: 'countersign' } },
        actor: actor(fact),
        src_endpoint: sourceOf(fact),
        ...apiStatus(fact),
      };
  }
}

/** OCSF has no type of user for a key; type id 99 (other) carries these names. */
const ACTORS: Readonly<Record<ActorKind, OcsfEvent>> = {
  administrator: { type_id: 2, type: 'Admin' },
  key: { type_id: 99, type: 'API Key' },
  agent: { type_id: 99, type: 'Agent' },
};

/** Who requested a change; otherwise this product. */
function actor({ actor: requester }: FactRecorded): OcsfEvent {
  if (requester === undefined) return { app_name: 'countersign' };
  return { user: { uid: requester.id ?? requester.kind, ...ACTORS[requester.kind] } };
}

/** The client's address for a change and for a refused request; otherwise this installation. */
function sourceOf({ actor: requester, detail }: FactRecorded): OcsfEvent {
  const source = requester?.sourceAddress ?? detail?.['source'];
  return typeof source === 'string' && /[.:]/.test(source) ? { ip: source } : { name: 'countersign' };
}

/** Stored data that was altered outside the product is reported as a failed change. */
function changeStatus(fact: FactRecorded): OcsfEvent {
  return fact.kind === 'credential.broken'
    ? { status_id: 2, status: 'Failure', status_code: 'TAMPERED' }
    : { status_id: 1, status: 'Success' };
}

function apiStatus(fact: FactRecorded): OcsfEvent {
  if (!FAILURES.has(fact.kind)) return { status_id: 1, status: 'Success' };
  const code = fact.detail?.['code'];
  return { status_id: 2, status: 'Failure', ...(code === undefined ? {} : { status_code: code }) };
}

function authentication(fact: FactRecorded): OcsfEvent {
  const outcome = OUTCOME_FIELDS[fact.outcome ?? 'unavailable'];
  const unknown = fact.kind === 'attempt.decided' && fact.subject === undefined;
  return {
    status_id: outcome.denied ? 2 : 1,
    status: outcome.denied ? 'Failure' : 'Success',
    status_code: fact.method === 'knowledge' && fact.outcome === 'rejected' ? 'ANSWERS_MISMATCH' : outcome.code,
    ...(unknown
      ? { status_detail: 'USER_DOES_NOT_EXIST' }
      : outcome.detail === undefined
        ? {}
        : { status_detail: outcome.detail }),
    auth_protocol_id: 99,
    ...FACTORS[fact.method ?? 'pin'],
    is_mfa: false,
    is_remote: true,
    logon_type_id: fact.channel === 'rest' ? 3 : 99,
    logon_type: fact.channel === 'rest' ? 'Network' : 'Telephony',
    user: user(fact),
    service: { name: fact.kind === 'limit.refused' ? 'rate-limit' : 'verification' },
    ...(fact.callId === undefined ? {} : { session: { uid: fact.callId } }),
    action_id: outcome.denied ? 2 : 1,
    action: outcome.denied ? 'Denied' : 'Allowed',
    disposition_id: outcome.denied ? 2 : 1,
    disposition: outcome.denied ? 'Blocked' : 'Allowed',
  };
}

function metadata(fact: FactRecorded, securityControl: boolean): OcsfEvent {
  return {
    version: SCHEMA_VERSION,
    uid: fact.factId,
    tenant_uid: fact.tenant,
    product: { name: 'Countersign', vendor_name: 'Countersign' },
    ...(securityControl ? { profiles: ['security_control'] } : {}),
    ...(fact.commandId === undefined ? {} : { original_event_uid: fact.commandId }),
    ...(fact.callId === undefined ? {} : { correlation_uid: fact.callId }),
  };
}

/** A reference that no subject has is named by its keyed hash. */
function user(fact: FactRecorded): OcsfEvent {
  return { uid: fact.subject ?? `unknown:${fact.subjectKey ?? fact.callerKey ?? ''}`, type_id: 1, type: 'User' };
}
