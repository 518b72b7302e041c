import { type ProblemName } from '../http/problems.js';

type Json = Readonly<Record<string, unknown>>;

/** A call of the API, as it is described. */
export interface Call {
  readonly id: string;
  readonly summary: string;
  readonly tag: 'tenants' | 'limits' | 'agents' | 'subjects' | 'verifications' | 'receipts' | 'service';
  readonly body?: string;
  readonly bodyOptional?: true;
  /** The body is a merge patch (RFC 7396), under its own media type or as plain JSON. */
  readonly isPatch?: true;
  /** Status to schema; '' for no content. */
  readonly answers: Readonly<Record<number, string>>;
  readonly problems?: readonly ProblemName[];
  readonly public?: true;
  readonly headers?: readonly Json[];
}

const TENANT = '/v1/tenants/{tenant}';
const AGENT = `${TENANT}/agents/{agent}`;
const SUBJECT = `${TENANT}/subjects/{subject}`;
const IDEMPOTENCY_KEY: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'The same key of the same agent gets the same answer for a day and costs no further attempt; 409 while the first request is in flight, and for a success that no longer holds (verification-ended); 422 with another payload.',
  schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x20-\\x7e]+$' },
};

/** Every call that is served, by path and method. */
export const CALLS: Readonly<Record<string, Readonly<Record<string, Call>>>> = {
  [TENANT]: {
    put: {
      id: 'putTenant',
      summary: 'Create a tenant, or set its name and fields of its policy; fields that are not sent are kept',
      tag: 'tenants',
      body: 'TenantBody',
      answers: { 200: 'State', 201: 'State' },
      problems: ['unavailable'],
    },
    patch: {
      id: 'patchTenant',
      summary: 'Change the name or fields of the policy of a tenant; null clears a field',
      tag: 'tenants',
      body: 'NameAndPolicyPatchBody',
      isPatch: true,
      answers: { 200: 'State' },
      problems: ['unavailable'],
    },
  },
  [`${TENANT}/limits`]: {
    get: {
      id: 'getLimits',
      summary: 'Read the limits in force, the overrides, and the remaining quota of the tenant',
      tag: 'limits',
      answers: { 200: 'State' },
      problems: ['unavailable'],
    },
  },
  [`${TENANT}/limits/overrides`]: {
    post: {
      id: 'overrideLimit',
      summary: 'Override a limit of the policy until a given time, for one key or for a whole dimension',
      tag: 'limits',
      body: 'OverrideBody',
      answers: { 201: 'State' },
      problems: ['unavailable'],
    },
  },
  [`${TENANT}/limits/reset`]: {
    post: {
      id: 'resetLimit',
      summary: 'Reset the counters of one caller, call, subject, agent or tenant',
      tag: 'limits',
      body: 'ResetBody',
      answers: { 204: '' },
      problems: ['unavailable'],
    },
  },
  [`${TENANT}/agents`]: {
    post: {
      id: 'createAgent',
      summary: 'Create an agent; its secrets are shown once',
      tag: 'agents',
      body: 'AgentBody',
      answers: { 201: 'NewAgent' },
      problems: ['conflict', 'unavailable'],
    },
  },
  [AGENT]: {
    patch: {
      id: 'patchAgent',
      summary: 'Change the name or fields of the policy of an agent; null clears a field',
      tag: 'agents',
      body: 'NameAndPolicyPatchBody',
      isPatch: true,
      answers: { 200: 'State' },
      problems: ['unavailable'],
    },
  },
  [`${AGENT}/policy`]: {
    patch: {
      id: 'patchAgentPolicy',
      summary: 'Change fields of the policy of an agent, at any depth; null clears a field, which is inherited again',
      tag: 'agents',
      body: 'Policy',
      isPatch: true,
      answers: { 200: 'State' },
      problems: ['unavailable'],
    },
    put: {
      id: 'putAgentPolicy',
      summary: 'Set fields of the policy of an agent; fields that are not sent are kept',
      tag: 'agents',
      body: 'Policy',
      answers: { 200: 'State' },
      problems: ['unavailable'],
    },
  },
  [`${AGENT}/rotate`]: {
    post: {
      id: 'rotateAgent',
      summary: 'Rotate the secrets of an agent; the old ones stay valid for a grace time',
      tag: 'agents',
      body: 'RotateBody',
      bodyOptional: true,
      answers: { 200: 'NewSecrets' },
      problems: ['unavailable'],
    },
  },
  [SUBJECT]: {
    put: {
      id: 'putSubject',
      summary: 'Create a subject or set fields of it; fields that are not sent are kept',
      tag: 'subjects',
      body: 'SubjectBody',
      answers: { 200: 'State', 201: 'State' },
      problems: ['conflict', 'unavailable'],
    },
    patch: {
      id: 'patchSubject',
      summary: 'Change fields of a subject; null clears a field',
      tag: 'subjects',
      body: 'SubjectPatchBody',
      isPatch: true,
      answers: { 200: 'State' },
      problems: ['conflict', 'unavailable'],
    },
    get: {
      id: 'getSubject',
      summary: 'Read the state of a subject, with counters and locks of every credential',
      tag: 'subjects',
      answers: { 200: 'SubjectState' },
      problems: ['unavailable'],
    },
    delete: {
      id: 'eraseSubject',
      summary: 'Erase a subject, its credentials and its key; the attempt counter and the audit events are kept',
      tag: 'subjects',
      answers: { 204: '' },
      problems: ['unavailable'],
    },
  },
  [`${SUBJECT}/pin`]: {
    put: {
      id: 'putPin',
      summary: 'Enrol or change the PIN of a subject',
      tag: 'subjects',
      body: 'PinBody',
      answers: { 204: '' },
      problems: ['quota-exceeded', 'unavailable'],
    },
  },
  [`${SUBJECT}/pin/change`]: {
    post: {
      id: 'changePin',
      summary: 'Change the PIN of a caller who knows the current one; this is an attempt like any other',
      tag: 'verifications',
      body: 'PinChangeBody',
      headers: [IDEMPOTENCY_KEY],
      answers: { 200: 'Verification' },
      problems: ['forbidden', 'idempotency-mismatch', 'idempotency-in-flight', 'verification-ended', 'quota-exceeded'],
    },
  },
  [`${SUBJECT}/knowledge`]: {
    put: {
      id: 'putKnowledge',
      summary: 'Enrol the answers of a subject; they replace all earlier ones',
      tag: 'subjects',
      body: 'KnowledgeBody',
      answers: { 204: '' },
      problems: ['quota-exceeded', 'unavailable'],
    },
  },
  [`${SUBJECT}/unlock`]: {
    post: {
      id: 'unlockSubject',
      summary: 'Unlock a subject; a disabled PIN stays disabled until it is enrolled again',
      tag: 'subjects',
      body: 'UnlockBody',
      answers: { 204: '' },
      problems: ['unavailable'],
    },
  },
  '/v1/verifications': {
    post: {
      id: 'verify',
      summary: 'Verify a caller; a refused attempt is 200 with its outcome',
      tag: 'verifications',
      body: 'VerificationBody',
      headers: [IDEMPOTENCY_KEY],
      answers: { 200: 'Verification' },
      problems: ['forbidden', 'idempotency-mismatch', 'idempotency-in-flight', 'verification-ended', 'quota-exceeded'],
    },
  },
  '/v1/calls/{callId}/verification': {
    get: {
      id: 'getCallVerification',
      summary:
        'Read the verification of a call: that of this agent, else that of an agent that its policy trusts; an unknown call is not verified',
      tag: 'verifications',
      answers: { 200: 'CallVerification' },
      problems: ['forbidden', 'quota-exceeded', 'unavailable'],
    },
  },
  '/v1/receipts/introspect': {
    post: {
      id: 'introspectReceipt',
      summary:
        'Check a receipt of this agent, or of an agent that its policy trusts, as in RFC 7662; optionally consume it',
      tag: 'receipts',
      body: 'IntrospectionBody',
      answers: { 200: 'Introspection' },
      problems: ['forbidden', 'quota-exceeded', 'unavailable'],
    },
  },
  '/.well-known/jwks.json': {
    get: {
      id: 'receiptKeys',
      summary: 'The public keys of receipts, a JSON Web Key Set',
      tag: 'receipts',
      answers: { 200: 'KeySet' },
      problems: ['unavailable'],
      public: true,
    },
  },
  '/health/live': {
    get: {
      id: 'live',
      summary: 'Liveness: the process runs',
      tag: 'service',
      answers: { 200: 'Health' },
      public: true,
    },
  },
  '/health/ready': {
    get: {
      id: 'ready',
      summary: 'Readiness: the service can do its work',
      tag: 'service',
      answers: { 200: 'Health', 503: 'Health' },
      public: true,
    },
  },
  '/openapi.json': {
    get: { id: 'openapi', summary: 'This description', tag: 'service', answers: { 200: 'OpenApi' }, public: true },
  },
};
