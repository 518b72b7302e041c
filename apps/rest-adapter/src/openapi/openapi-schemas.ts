import { LEVELS, LIMIT_DIMENSIONS, METHODS, NAME_PATTERN, OUTCOMES, SUBJECT_PATTERN } from '@countersign/contracts';
import { PROBLEMS } from '../http/problems.js';

type Schema = Readonly<Record<string, unknown>>;

const object = (required: readonly string[], properties: Record<string, Schema>): Schema => ({
  type: 'object',
  required,
  properties,
  additionalProperties: false,
});
const text: Schema = { type: 'string', minLength: 1, maxLength: 200 };
const name: Schema = { type: 'string', pattern: NAME_PATTERN.source };
const pin: Schema = { type: 'string', pattern: '^[0-9]{4,8}$', writeOnly: true };
const callId: Schema = { type: 'string', pattern: '^[\\x21-\\x7e]{1,256}$', description: 'Id of the telephone call.' };
const answers: Schema = {
  type: 'object',
  minProperties: 1,
  maxProperties: 10,
  propertyNames: { pattern: '^[a-z][a-z0-9_]{0,62}$' },
  additionalProperties: { type: 'string', minLength: 1, maxLength: 200, writeOnly: true },
  description: 'Answers by the names of the questions in the policy. Case, accents and punctuation do not matter.',
};
const phone: Schema = {
  type: 'string',
  description: 'E.164, such as +12025550100. Other forms with a country code are normalised.',
};
const phones: Schema = { type: 'array', maxItems: 10, items: phone, description: 'All numbers of the subject.' };
const locale: Schema = { type: 'string', minLength: 2, maxLength: 35, description: 'Language tag, such as en-US.' };
const secret = (description: string): Schema => ({ type: 'string', readOnly: true, description });
const policy: Schema = { $ref: '#/components/schemas/Policy' };

const time: Schema = { type: 'string', format: 'date-time' };
/** The reason that an operator states. */
const reason: Schema = {
  type: 'string',
  minLength: 1,
  maxLength: 500,
  writeOnly: true,
  description: 'Only the keyed hash of the reason is stored: keep the words in your ticket.',
};
/** The key of a limit. */
const target: Record<string, Schema> = {
  dimension: { enum: LIMIT_DIMENSIONS },
  phone: { ...phone, description: 'For the dimensions caller, subjectsPerCaller and subject.' },
  subject: { type: 'string', pattern: SUBJECT_PATTERN.source },
  callId: { type: 'string', pattern: '^[\\x21-\\x7e]{1,256}$' },
  agent: name,
  reason,
};

const counter: Record<string, Schema> = {
  attemptsInWindow: {
    type: 'integer',
    minimum: 0,
    description: 'Counted attempts of all callers in the window.',
  },
  lockedUntil: {
    ...time,
    description:
      'End of the lock; the later end if both unrecognized callers and everybody are locked. Absent without a lock.',
  },
  consecutiveFailures: {
    type: 'integer',
    minimum: 0,
    maximum: 10,
    description:
      'Failures since the last success or enrolment. 9: nine or more; 10: as many as disabled the credential. Higher numbers would reveal the length of a PIN.',
  },
  disabled: { type: 'boolean', description: 'True until the credential is enrolled again.' },
};
const counted = ['attemptsInWindow', 'consecutiveFailures', 'disabled'];

/** The schemas of path parameters. */
export const PARAMETERS: Readonly<Record<string, Schema>> = {
  tenant: name,
  agent: name,
  subject: { type: 'string', pattern: SUBJECT_PATTERN.source },
  callId,
};

/** The schemas of bodies. Those of requests have the fields of the classes in bodies.ts, and no others. */
export const SCHEMAS: Readonly<Record<string, Schema>> = {
  Policy: {
    type: 'object',
    description:
      'Limits, texts and transfer destinations. Missing fields are inherited: installation, then tenant, then agent. ' +
      'The policy is checked as a whole; violations name the fields that break a rule.',
    properties: {
      verifiedSeconds: { type: 'integer', minimum: 1, maximum: 86_400, default: 900 },
      endVerificationOnChange: {
        type: 'boolean',
        default: true,
        description: 'A changed, replaced or removed credential ends the verifications and receipts of running calls.',
      },
      trustsCallsOf: {
        type: 'array',
        maxItems: 64,
        uniqueItems: true,
        items: name,
        default: [],
        description:
          'Agents of the same tenant: this agent accepts their verifications, under its own levels and verifiedSeconds.',
      },
      defaultCountry: {
        type: ['string', 'null'],
        pattern: '^[A-Z]{2}$',
        description:
          'ISO 3166 code of the country of callers without +; null (the default): such callers have no number.',
      },
    },
  },
  TenantBody: object(['name'], { name: text, policy }),
  NameAndPolicyPatchBody: object([], {
    name: text,
    policy: { anyOf: [policy, { type: 'null' }], description: 'Null clears a field of the policy, or all of it.' },
  }),
  AgentBody: object(['agent'], { agent: name, name: text, policy }),
  RotateBody: object([], {
    graceSeconds: {
      type: 'integer',
      minimum: 0,
      maximum: 604_800,
      default: 86_400,
      description: 'How long the old secrets stay valid.',
    },
  }),
  SubjectBody: object([], {
    phones,
    displayName: text,
    locale,
  }),
  SubjectPatchBody: object([], {
    phones: { ...phones, type: ['array', 'null'] },
    displayName: { ...text, type: ['string', 'null'] },
    locale: { ...locale, type: ['string', 'null'] },
  }),
  OverrideBody: object(['dimension', 'limit', 'periodSeconds', 'reason', 'expiresAt'], {
    ...target,
    limit: { type: 'integer', minimum: 1, maximum: 1_000_000 },
    periodSeconds: { type: 'integer', minimum: 1, maximum: 604_800 },
    expiresAt: { type: 'string', format: 'date-time' },
  }),
  ResetBody: object(['dimension', 'reason'], target),
  UnlockBody: object(['reason'], {
    reason,
  }),
  PinBody: object(['pin'], {
    pin,
    forceChange: {
      type: 'boolean',
      default: false,
      description: 'Somebody else chose the PIN: it reaches the level identified until the caller changes it.',
    },
  }),
  PinChangeBody: object(['currentPin', 'newPin'], { currentPin: pin, newPin: pin, callId }),
  KnowledgeBody: object(['answers'], { answers }),
  VerificationBody: {
    ...object(['method'], {
      method: { enum: METHODS },
      subject: { type: 'string', pattern: SUBJECT_PATTERN.source },
      phone,
      callerPhone: {
        ...phone,
        description:
          'The number of the caller, in E.164: counted by the limits of callers, separately from callers on the telephone. Without it the request has no caller.',
      },
      callId,
      pin,
      answers: {
        ...answers,
        description:
          "Answers to all questions of the agent's policy, by their names. An answer that is missing or not of its question's kind is 422 and costs no attempt.",
      },
    }),
    allOf: [
      { oneOf: [{ required: ['subject'] }, { required: ['phone'] }] },
      {
        oneOf: [
          { properties: { method: { const: 'pin' } }, required: ['pin'] },
          { properties: { method: { const: 'knowledge' } }, required: ['answers'] },
        ],
      },
    ],
  },
  Verification: object(['outcome', 'level'], {
    verificationId: { type: 'string', description: 'Id of the attempt in the audit events.' },
    outcome: { enum: OUTCOMES },
    level: { enum: LEVELS },
    attemptsLeft: { type: 'integer', minimum: 0, description: "Only if the agent's policy sets tellAttemptsLeft." },
    retryAfterSeconds: { type: 'integer', minimum: 1, description: 'Only with rate_limited.' },
    mustChangePin: { const: true, description: 'The PIN was right, and the caller must change it.' },
    pinChanged: { const: true, description: 'The new PIN is in force.' },
    receipt: {
      type: 'string',
      readOnly: true,
      description:
        'Only with verified: a JWT (EdDSA) with iss, aud (the tenant), sub (the subject), call_id, agent, level, method, ' +
        'jti (the verificationId), iat and exp, at most 300 seconds later. A secret: whoever has it can consume it.',
    },
  }),
  CallVerification: object(['verified', 'level'], {
    verified: { type: 'boolean', description: 'True for any success that still holds; level says how much it proves.' },
    level: { enum: LEVELS },
    subject: { type: 'string' },
    verificationId: { type: 'string' },
    verifiedAt: time,
    expiresAt: time,
  }),
  IntrospectionBody: object(['receipt'], {
    receipt: { type: 'string', pattern: '^[\\x21-\\x7e]{1,4096}$', writeOnly: true },
    callId: { ...callId, description: 'The call that the receipt must belong to.' },
    consume: { type: 'boolean', default: false, description: 'Consumes the receipt: each receipt is accepted once.' },
  }),
  Introspection: object(['active'], {
    active: {
      type: 'boolean',
      description:
        'False for a receipt that is not valid: forged, expired, consumed, ended, of another tenant, agent or call.',
    },
    iss: { type: 'string' },
    aud: { type: 'string', description: 'The tenant.' },
    sub: { type: 'string', description: 'The subject.' },
    call_id: { type: 'string' },
    agent: { type: 'string' },
    level: { enum: LEVELS },
    method: { type: 'string' },
    jti: { type: 'string', description: 'The verificationId.' },
    iat: { type: 'integer' },
    exp: { type: 'integer' },
  }),
  KeySet: object(['keys'], {
    keys: { type: 'array', items: { type: 'object', description: 'RFC 7517, RFC 8037; kid is that of the receipts.' } },
  }),
  State: { type: 'object', description: 'The current state; nothing secret, nothing derived from a secret.' },
  SubjectState: {
    ...object(
      [
        'subject',
        'pinEnrolled',
        'pinMustChange',
        'knowledgeEnrolled',
        'phones',
        ...counted,
        'credentials',
        'updatedAt',
      ],
      {
        subject: { type: 'string', pattern: SUBJECT_PATTERN.source },
        pinEnrolled: { type: 'boolean' },
        pinMustChange: { type: 'boolean' },
        knowledgeEnrolled: { type: 'boolean' },
        phones: { type: 'integer', minimum: 0, description: 'Number of telephone numbers.' },
        ...counter,
        credentials: {
          type: 'array',
          description: 'The enrolled credentials, each with its own counter.',
          items: object(['method', 'enrolledAt', 'mustChange', ...counted], {
            method: { enum: METHODS },
            enrolledAt: { ...time, description: 'Time of enrolment of the credential in force.' },
            mustChange: { type: 'boolean', description: 'Somebody else chose it: the caller must change it.' },
            ...counter,
          }),
        },
        updatedAt: time,
      },
    ),
    description: 'Nothing secret, nothing derived from a secret. The counter beside the list is that of the PIN.',
  },
  NewAgent: object(['agent', 'username', 'password', 'apiKey'], {
    agent: name,
    username: { ...name, description: 'User name of Basic authentication at the SWAIG adapter.' },
    password: secret('Password of Basic authentication. Shown once.'),
    apiKey: secret('Key for POST /v1/verifications. Shown once.'),
  }),
  NewSecrets: object(['password', 'apiKey'], {
    password: secret('Shown once.'),
    apiKey: secret('Shown once.'),
  }),
  Health: {
    type: 'object',
    required: ['status'],
    properties: {
      status: { enum: ['ok', 'unavailable'] },
      checks: { type: 'object', additionalProperties: { type: 'boolean' } },
    },
  },
  Problem: object(['type', 'title', 'status', 'detail'], {
    type: { enum: Object.keys(PROBLEMS).map((problem) => `urn:countersign:problem:${problem}`) },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What to do next.' },
    violations: {
      type: 'array',
      maxItems: 20,
      description: 'Only with invalid-request: fields and the rules that they break, never a value.',
      items: object(['field', 'rule'], { field: { type: 'string' }, rule: { type: 'string' } }),
    },
  }),
};
