import {
  type Actor,
  type ActorKind,
  type FactKind,
  type FactRecorded,
  type Method,
  type Outcome,
} from '@countersign/contracts';
import {
  CLASSES,
  CLASSIFICATIONS,
  CRITICAL_SEVERITY,
  FAILURES,
  MEDIUM_SEVERITY,
  type Classification,
} from './ocsf-classes.decision.js';

/** An event in the Open Cybersecurity Schema Framework: the public form of a fact. */
export type OcsfEvent = Readonly<Record<string, unknown>>;

const SCHEMA_VERSION = '1.8.0';
/** The topic of the public events. */
const LOG_NAME = 'countersign.audit.events';
const MAX_PORT = 65_535;
/** Kinds that report several refusals at once, with their number in the detail. */
const COUNTED: ReadonlySet<FactKind> = new Set<FactKind>(['limit.refused', 'limit.would_refuse', 'access.refused']);
interface OutcomeFields {
  readonly severityId: number;
  readonly code: string;
  readonly detail: string | undefined;
  readonly denied: boolean;
  /** A control refused: a sign of guessing. */
  readonly alert: boolean;
}

const OUTCOME_FIELDS: Readonly<Record<Outcome, OutcomeFields>> = {
  verified: { severityId: 1, code: 'VERIFIED', detail: undefined, denied: false, alert: false },
  rejected: { severityId: 2, code: 'PIN_MISMATCH', detail: 'INVALID_CREDENTIALS', denied: true, alert: false },
  locked: { severityId: 3, code: 'LOCKED', detail: 'ACCOUNT_LOCKED_OUT', denied: true, alert: true },
  disabled: { severityId: 3, code: 'DISABLED', detail: 'ACCOUNT_DISABLED', denied: true, alert: true },
  rate_limited: { severityId: 3, code: 'RATE_LIMITED', detail: undefined, denied: true, alert: true },
  unavailable: { severityId: 3, code: 'UNAVAILABLE', detail: undefined, denied: true, alert: false },
};

/** OCSF has no protocol for a PIN or a security question; protocol id 99 (other) carries these names. */
const FACTORS: Readonly<Record<Method, OcsfEvent>> = {
  pin: { auth_protocol: 'PIN', auth_factors: [{ factor_type_id: 11, factor_type: 'Password' }] },
  knowledge: { auth_protocol: 'Knowledge', auth_factors: [{ factor_type_id: 2, factor_type: 'Security Question' }] },
};

const SEVERITIES: Readonly<Record<number, string>> = { 1: 'Informational', 2: 'Low', 3: 'Medium', 5: 'Critical' };

/** The public form of a fact in OCSF 1.8.0; every kind has one. The same fact always gives the same bytes. */
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
    metadata: metadata(fact, class_uid === CLASSES.authentication.class_uid),
    ...(COUNTED.has(fact.kind) && typeof fact.detail?.['count'] === 'number' ? { count: fact.detail['count'] } : {}),
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
    case 'operatorSignIn':
      return operatorSignIn(fact);
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
        ...resourcesOf(fact),
        ...apiStatus(fact),
      };
  }
}

/** What the event is about, for kinds about a resource of the API. */
function resourcesOf({ kind, tenant, agent, detail }: FactRecorded): OcsfEvent {
  const type = kind.slice(0, kind.indexOf('.'));
  const uids: Readonly<Record<string, unknown>> = {
    tenant: tenant,
    agent,
    policy: agent,
    api_key: detail?.['key'],
    webhook: detail?.['webhook'],
  };
  const uid = uids[type];
  return typeof uid === 'string' ? { resources: [{ type, uid }] } : {};
}

/** OCSF has no type of user for a key; type id 99 (other) carries these names. */
const ACTORS: Readonly<Record<ActorKind, OcsfEvent>> = {
  administrator: { type_id: 2, type: 'Admin' },
  key: { type_id: 99, type: 'API Key' },
  agent: { type_id: 99, type: 'Agent' },
  operator: { type_id: 1, type: 'User' },
};

/** Who requested a change; otherwise this product. */
function actor({ actor: requester }: FactRecorded): OcsfEvent {
  if (requester === undefined) return { app_name: 'countersign' };
  return { user: userOf(requester) };
}

/** Of an operator also the name and the roles. */
function userOf({ kind, id = kind, name, roles }: Actor): OcsfEvent {
  return {
    ...{ uid: id, ...ACTORS[kind], ...(name !== undefined && { name }) },
    ...(roles && { groups: roles.map((role) => ({ name: role })) }),
  };
}

/** The client's address for a change and for a refused request; otherwise this installation. */
function sourceOf({ actor: requester, detail }: FactRecorded): OcsfEvent {
  const source = requester?.sourceAddress ?? detail?.['source'];
  return typeof source === 'string' ? endpointOf(source) : { name: 'countersign' };
}

/** @param address an IP address with or without a port, or a name */
function endpointOf(address: string): OcsfEvent {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(address) ?? [];
  const host = bracketed ?? plain ?? address;
  if (!isIpAddress(host) || Number(port ?? 0) > MAX_PORT) return { name: address };
  return { ip: host, ...(port === undefined ? {} : { port: Number(port) }) };
}

function isIpAddress(text: string): boolean {
  if (/^(\d{1,3}\.){3}\d{1,3}$/.test(text)) return text.split('.').every((part) => Number(part) <= 255);
  // OCSF takes at most 40 characters. A zone is not part of the address.
  const [address = '', zone] = text.split('%');
  return text.length <= 40 && zone !== '' && address.includes(':') && URL.canParse(`http://[${address}]`);
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
    ...(fact.channel === undefined ? {} : { src_endpoint: { name: `${fact.channel}-adapter` } }),
    ...(fact.callId === undefined ? {} : { session: { uid: fact.callId } }),
    ...(fact.kind === 'limit.refused' ? { policy: limitOf(fact) } : {}),
    ...(outcome.alert ? { is_alert: true } : {}),
    action_id: outcome.denied ? 2 : 1,
    action: outcome.denied ? 'Denied' : 'Allowed',
    disposition_id: outcome.denied ? 2 : 1,
    disposition: outcome.denied ? 'Blocked' : 'Allowed',
  };
}

/** The person who signs in or out is the user of the event. Someone who may not has an account at the provider, and no role here. */
function operatorSignIn(fact: FactRecorded): OcsfEvent {
  const denied = FAILURES.has(fact.kind);
  const usesKey = fact.detail?.['with'] === 'key';
  return {
    ...apiStatus(fact),
    ...(fact.kind !== 'operator.signed_out' && { auth_protocol_id: usesKey ? 99 : 4 }),
    ...(fact.kind !== 'operator.signed_out' && { auth_protocol: usesKey ? 'Administrator Key' : 'OpenID' }),
    ...{ is_remote: true, logon_type_id: 3, logon_type: 'Network' },
    user: fact.actor ? userOf(fact.actor) : { uid: 'unknown', type_id: 1, type: 'User' },
    ...{ service: { name: 'rest-adapter' }, src_endpoint: sourceOf(fact) },
    ...{ action_id: denied ? 2 : 1, action: denied ? 'Denied' : 'Allowed' },
    ...{ disposition_id: denied ? 2 : 1, disposition: denied ? 'Blocked' : 'Allowed' },
  };
}

function metadata(fact: FactRecorded, securityControl: boolean): OcsfEvent {
  return {
    version: SCHEMA_VERSION,
    uid: fact.factId,
    event_code: fact.kind,
    log_name: LOG_NAME,
    ...(fact.attempt === undefined ? {} : { sequence: fact.attempt }),
    tenant_uid: fact.tenant,
    product: { name: 'Countersign', vendor_name: 'Countersign' },
    ...(securityControl ? { profiles: ['security_control'] } : {}),
    ...(fact.commandId === undefined ? {} : { original_event_uid: fact.commandId }),
    ...(fact.callId === undefined ? {} : { correlation_uid: fact.callId }),
  };
}

/** The limit that refused the requests. */
function limitOf({ detail }: FactRecorded): OcsfEvent {
  const { dimension = 'unknown', limit, periodSeconds } = detail ?? {};
  return { name: `limits.${dimension}`, ...(limit === undefined ? {} : { desc: `${limit} in ${periodSeconds} s` }) };
}

/** A reference that no subject has is named by its keyed hash. */
function user(fact: FactRecorded): OcsfEvent {
  return { uid: fact.subject ?? `unknown:${fact.subjectKey ?? fact.callerKey ?? ''}`, type_id: 1, type: 'User' };
}
