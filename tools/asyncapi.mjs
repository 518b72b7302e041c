/**
 * The AsyncAPI 3 document of the public topics, made from the contracts and from the code that builds events. Every schema of a
 * message has an example that this code made.
 */
const KAFKA_BINDING = '0.5.0';
const EVENT_ID = '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f10';
const COMMAND_ID = 'rest-5f0f4c1e-6f2b-4f7c-9a56-0a4f4a1f6b0d';
const KEYED_HASH = '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae';
const CLASS_SCHEMAS = { 3001: 'AccountChange', 3002: 'Authentication', 6003: 'ApiActivity' };
/** Sign-ins of operators are of the class Authentication, as attempts of callers are, with other fields. */
const isOfOperator = (kind) => kind.startsWith('operator.');
const CHECKPOINT = `countersign.example/audit/2026h2
70000
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— countersign.example/audit/2026h2 Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`;

const ref = (name) => ({ $ref: `#/components/schemas/${name}` });
const text = (description, more = {}) => ({ type: 'string', description, ...more });
const integer = (description, more = {}) => ({ type: 'integer', description, ...more });
const object = (properties, required = [], more = {}) => ({
  type: 'object',
  ...(required.length > 0 && { required }),
  properties,
  ...more,
});

/**
 * @param contracts the module of libs/contracts
 * @param toOcsf    builds the value of a fact in OCSF 1.8.0
 * @param sealed    encrypts the personal fields of an event that names a subject
 * @param headersOf builds the headers of a recorded event
 */
export function asyncApi({ contracts, toOcsf, sealed, headersOf, version }) {
  const messages = Object.fromEntries(
    contracts.FACT_KINDS.map((kind) => [kind, messageOf(kind, { contracts, toOcsf, sealed, headersOf })]),
  );
  const { auditEvents } = contracts.TOPICS;
  return {
    asyncapi: '3.1.0',
    id: 'urn:countersign:events',
    info: {
      title: 'Countersign events',
      version,
      description:
        'Everything that Countersign records, and the signed checkpoints of the log that holds it. Generated from the code ' +
        '(`npm run docs`). How to read the events, and what may change: docs/events.md.',
      license: { name: 'Apache 2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      kafka: {
        host: '{broker}',
        protocol: 'kafka-secure',
        description: 'Any broker of the installation. Without TLS the protocol is `kafka`.',
        variables: { broker: { default: 'localhost:9092', description: 'Host and port of a broker' } },
        security: Object.keys(SECURITY_SCHEMES).map((name) => ({ $ref: `#/components/securitySchemes/${name}` })),
      },
    },
    channels: {
      events: {
        address: auditEvents.name,
        title: 'Events',
        description:
          'One record for each event. The events of one key are in order; every event is delivered at least once. The prefix ' +
          'of the installation (`TOPIC_PREFIX`), if it has one, precedes the name.',
        messages: Object.fromEntries(
          contracts.FACT_KINDS.map((kind) => [kind, { $ref: `#/components/messages/${kind}` }]),
        ),
        bindings: topicBinding(auditEvents.name, { 'cleanup.policy': ['delete'], 'retention.ms': -1 }),
      },
      checkpoints: {
        address: 'countersign.audit.checkpoints',
        title: 'Checkpoints of the log',
        description:
          'Signed statements of size and root hash of the log of all events, at least one each minute. Kept without end.',
        messages: { checkpoint: { $ref: '#/components/messages/checkpoint' } },
        bindings: topicBinding('countersign.audit.checkpoints', { 'cleanup.policy': ['delete'], 'retention.ms': -1 }),
      },
    },
    operations: {
      publishEvents: {
        action: 'send',
        channel: { $ref: '#/channels/events' },
        summary: 'Countersign publishes every event after it is in the log.',
      },
      publishCheckpoints: {
        action: 'send',
        channel: { $ref: '#/channels/checkpoints' },
        summary: 'The signer publishes every checkpoint that it signs.',
      },
    },
    components: {
      messages: { ...messages, checkpoint: CHECKPOINT_MESSAGE },
      schemas: schemas(contracts),
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

const SECURITY_SCHEMES = {
  scramSha512: { type: 'scramSha512', description: '`KAFKA_SASL_MECHANISM=SCRAM-SHA-512`' },
  scramSha256: { type: 'scramSha256', description: '`KAFKA_SASL_MECHANISM=SCRAM-SHA-256`' },
  plain: { type: 'plain', description: '`KAFKA_SASL_MECHANISM=PLAIN`, over TLS only' },
  clientCertificate: { type: 'X509', description: 'TLS with a client certificate' },
};

const CHECKPOINT_MESSAGE = {
  name: 'checkpoint',
  title: 'Checkpoint',
  contentType: 'text/plain; charset=utf-8',
  description:
    'A checkpoint in the form of C2SP tlog-checkpoint, as a signed note: origin, size, root hash (base64), an empty line, ' +
    'then a line for each signature.',
  payload: { type: 'string', pattern: '^[^\\n]+\\n(0|[1-9][0-9]*)\\n[A-Za-z0-9+/]{43}=\\n\\n(— [^\\n]+\\n)+$' },
  examples: [{ name: 'checkpoint', payload: CHECKPOINT }],
};

function topicBinding(topic, topicConfiguration) {
  return { kafka: { topic, topicConfiguration, bindingVersion: KAFKA_BINDING } };
}

function messageOf(kind, { contracts, toOcsf, sealed, headersOf }) {
  const fact = exampleFact(kind, contracts);
  const event = fact.subject === undefined ? toOcsf(fact) : sealed(toOcsf(fact));
  const { class_uid: classUid, activity_id: activity, activity_name: activityName } = event;
  const details = Object.entries(contracts.EVENT_DETAILS[kind] ?? {});
  const headers = headersOf({ ...fact, eventId: fact.factId, ocsfVersion: '1.8.0' });
  return {
    name: `countersign.${kind}.v1`,
    title: kind,
    summary: contracts.FACT_DESCRIPTIONS[kind],
    contentType: 'application/json',
    headers: { allOf: [ref('Headers'), object({ ce_type: { const: `countersign.${kind}.v1` } })] },
    payload: {
      allOf: [
        ref(isOfOperator(kind) ? 'OperatorSignIn' : CLASS_SCHEMAS[classUid]),
        object({
          // OCSF 1.1.0 lacks the activity Unlock: there it is 99 (other).
          activity_id: activity === 12 ? { enum: [12, 99] } : { const: activity },
          activity_name: { const: activityName },
          unmapped: {
            allOf: [ref('Unmapped'), object({ kind: { const: kind }, detail: detailSchema(details) }, ['kind'])],
          },
        }),
      ],
    },
    bindings: { kafka: { key: ref('Key'), bindingVersion: KAFKA_BINDING } },
    examples: [{ name: kind.replaceAll('.', '-'), headers: { ...headers, ce_sequence: '69999' }, payload: event }],
  };
}

function detailSchema(details) {
  if (details.length === 0) return { type: 'object', description: 'Absent or empty', maxProperties: 0 };
  const properties = details.map(([name, { type, meaning, values }]) => [
    name.replace('?', ''),
    { type, description: meaning, ...(values && { enum: [...values] }) },
  ]);
  const required = details.filter(([name]) => !name.endsWith('?')).map(([name]) => name);
  return object(Object.fromEntries(properties), required);
}

const OPERATOR = { kind: 'operator', id: 'anna', name: 'Anna', roles: ['admin'], sourceAddress: '192.0.2.7' };

/** A fact of the kind, as one of the services records it. */
function exampleFact(kind, { EVENT_DETAILS, INSTALLATION }) {
  const ofCaller =
    /^(attempt\.|credential\.(locked|disabled)|receipt\.|limit\.(refused|would_refuse|near)|transfer\.)/.test(kind);
  const ofInstallation = /^(key|message|log|operator)\./.test(kind);
  const ofSubject = /^(attempt|credential|subject|receipt)\./.test(kind);
  const byActor = !ofCaller && !ofInstallation && !/^(signal|access)\.|\.(broken|restored|tightened)$/.test(kind);
  const counted = /^(attempt\.decided|credential\.(locked|disabled))$/.test(kind);
  const detail = Object.fromEntries(
    Object.entries(EVENT_DETAILS[kind] ?? {}).flatMap(([name, { example }]) =>
      name.endsWith('?') ? [] : [[name, example]],
    ),
  );
  return {
    factId: EVENT_ID,
    kind,
    time: '2026-11-27T10:00:00.123Z',
    tenant: ofInstallation ? INSTALLATION : 'acme',
    ...(ofCaller || /^(agent|policy)\./.test(kind) ? { agent: 'desk' } : {}),
    ...(isOfOperator(kind) && { actor: OPERATOR, channel: 'rest' }),
    ...(byActor && { actor: { kind: 'key', id: 'k-7f3a', sourceAddress: '192.0.2.7' } }),
    ...(ofSubject && { subject: 'alice', subjectKey: KEYED_HASH }),
    ...(ofCaller && { callId: 'call-8f2c', callerKey: KEYED_HASH, callerTail: '23', channel: 'swaig', method: 'pin' }),
    ...(ofCaller && { commandId: COMMAND_ID }),
    ...((counted || kind.startsWith('receipt.')) && { verificationId: '01926f6e-0b0a-7c3e-9b52-8e0d3a2f6f11' }),
    ...(counted && { attempt: 2 }),
    ...(kind === 'attempt.decided' && { outcome: 'rejected', level: 'none' }),
    ...(kind === 'limit.refused' && { outcome: 'rate_limited' }),
    ...(kind === 'receipt.issued' && { level: 'verified' }),
    ...(Object.keys(detail).length > 0 && { detail }),
  };
}

function schemas({ OCSF_VERSIONS, OUTCOMES, LEVELS, METHODS, OPERATOR_ROLES }) {
  const base = {
    activity_id: integer('Number of the activity in the class'),
    activity_name: text('Name of the activity'),
    category_uid: integer('Category of the class: 3 (identity) or 6 (application)'),
    class_uid: integer('OCSF class'),
    type_uid: integer('Class and activity: `class_uid` × 100 + `activity_id`'),
    time: integer('When it happened, in milliseconds since 1970'),
    severity_id: integer('1 informational, 2 low, 3 medium, 5 critical', { enum: [1, 2, 3, 5] }),
    severity: text('Name of the severity', { enum: ['Informational', 'Low', 'Medium', 'Critical'] }),
    status_id: integer('1 success, 2 failure', { enum: [1, 2] }),
    status: text('Name of the status', { enum: ['Success', 'Failure'] }),
    status_code: text('Why it failed, or `VERIFIED`'),
    count: integer('How many refusals the event reports', { minimum: 1 }),
    metadata: ref('Metadata'),
  };
  const required = [
    ...['activity_id', 'activity_name', 'category_uid', 'class_uid', 'type_uid', 'time', 'severity_id', 'severity'],
    ...['status_id', 'status', 'metadata', 'unmapped'],
  ];
  const classOf = (uid, name, properties, more) => {
    const { class_uid: known, ...others } = base;
    const all = { ...others, class_uid: { ...known, const: uid }, ...properties };
    return object(all, [...required, ...more], { description: `OCSF ${name} (${uid}), as far as Countersign uses it` });
  };
  return {
    Authentication: classOf(
      3002,
      'Authentication',
      {
        user: ref('User'),
        service: object({ name: text('`verification` or `rate-limit`') }, ['name']),
        src_endpoint: ref('Endpoint'),
        session: object({ uid: text('Call id') }, ['uid']),
        status_detail: text('The reason in the words of OCSF, for example `ACCOUNT_LOCKED_OUT`'),
        auth_protocol_id: integer('99: OCSF has no number for a PIN', { const: 99 }),
        auth_protocol: text('What was asked for', { enum: ['PIN', 'Knowledge'] }),
        is_mfa: { type: 'boolean', description: 'Always `false`: one factor per attempt' },
        is_remote: { type: 'boolean', description: 'Always `true`' },
        logon_type_id: integer('3 network (REST), 99 telephony', { enum: [3, 99] }),
        logon_type: text('Name of the type', { enum: ['Network', 'Telephony'] }),
        ...securityControl(),
      },
      ['user', 'service', 'auth_protocol', 'is_mfa', 'is_remote', 'logon_type_id'],
    ),
    OperatorSignIn: classOf(
      3002,
      'Authentication',
      {
        user: ref('User'),
        service: object({ name: { const: 'rest-adapter' } }, ['name']),
        src_endpoint: ref('Endpoint'),
        auth_protocol_id: integer('4 OpenID, 99 another; absent for a sign-out', { enum: [4, 99] }),
        auth_protocol: text('How the operator signed in', { enum: ['OpenID', 'Administrator Key'] }),
        is_remote: { type: 'boolean', description: 'Always `true`' },
        logon_type_id: integer('3 network', { const: 3 }),
        logon_type: text('Name of the type', { const: 'Network' }),
        ...securityControl(),
      },
      ['user', 'service', 'src_endpoint', 'is_remote', 'logon_type_id'],
    ),
    AccountChange: classOf(
      3001,
      'Account Change',
      { user: ref('User'), actor: ref('Actor'), src_endpoint: ref('Endpoint') },
      ['user'],
    ),
    ApiActivity: classOf(
      6003,
      'API Activity',
      {
        actor: ref('Actor'),
        src_endpoint: ref('Endpoint'),
        api: object(
          { operation: text('The kind of the event'), service: object({ name: { const: 'countersign' } }, ['name']) },
          ['operation', 'service'],
        ),
        resources: {
          type: 'array',
          description: 'What was changed',
          items: object({ type: text('Kind of resource'), uid: text('Id of the resource') }, ['type', 'uid']),
        },
      },
      ['actor', 'src_endpoint', 'api'],
    ),
    Metadata: object(
      {
        version: text('Version of OCSF', { enum: [...OCSF_VERSIONS] }),
        uid: text('Id of the event; equals `ce_id`', { format: 'uuid' }),
        event_code: text('Kind of the event'),
        log_name: text('The topic', { const: 'countersign.audit.events' }),
        sequence: integer('Number of the attempt at this subject, from 1 without gaps', { minimum: 1 }),
        tenant_uid: text('The tenant; `_installation` for events about the installation'),
        correlation_uid: text('Call id'),
        original_event_uid: text('Id of the request (only in 1.8.0; in 1.1.0 in `unmapped`)'),
        profiles: { type: 'array', items: { const: 'security_control' }, description: 'Only in 1.8.0' },
        product: object({ name: { const: 'Countersign' }, vendor_name: { const: 'Countersign' } }, [
          'name',
          'vendor_name',
        ]),
      },
      ['version', 'uid', 'event_code', 'log_name', 'tenant_uid', 'product'],
    ),
    User: object(
      {
        uid: text(
          'Id of the subject, of an API key, of an agent or of an operator; `unknown:` and a keyed hash for a subject that does not exist',
        ),
        type_id: integer('1 user, 2 administrator, 99 another', { enum: [1, 2, 99] }),
        type: text('Name of the type', { enum: ['User', 'Admin', 'API Key', 'Agent'] }),
        name: text('Name of the operator'),
        groups: {
          type: 'array',
          description: 'Roles of the operator that permitted the request',
          items: object({ name: text('Name of the role', { enum: [...OPERATOR_ROLES] }) }, ['name']),
        },
      },
      ['uid', 'type_id', 'type'],
    ),
    Actor: object({
      user: ref('User'),
      app_name: text('`countersign`, when no one requested it (1.8.0)'),
      invoked_by: text('`countersign`, when no one requested it (1.1.0)'),
    }),
    Endpoint: object({
      ip: text('Address of the client'),
      port: integer('Port of the client', { minimum: 0, maximum: 65535 }),
      name: text('The adapter, or `countersign`'),
    }),
    Unmapped: object(
      {
        kind: text('Kind of the event'),
        attempt: integer('Number of the attempt at this subject, from 1 without gaps', { minimum: 1 }),
        level: text('What is known of the caller afterwards', { enum: [...LEVELS] }),
        channel: text('Which adapter took the request', { enum: ['swaig', 'rest'] }),
        agent: text('The agent'),
        subject_key: text('Keyed hash of the subject reference, whether or not the subject exists'),
        caller_key: text('Keyed hash of the number of the caller'),
        caller_tail: text('The last two digits of that number', { maxLength: 2 }),
        caller_attestation: text('What the network stated about the number'),
        verification_id: text('Id of the attempt', { format: 'uuid' }),
        sealed: text('Personal fields of an event that names a subject, encrypted; `GET /v1/events` opens them'),
        erased: { const: true, description: 'The personal fields were removed, because the subject is erased' },
        detail: { type: 'object', description: 'Fields of this kind' },
        ...securityControl(' (only in 1.1.0)'),
        original_event_uid: text('Id of the request (only in 1.1.0)'),
      },
      ['kind'],
      {
        description: `What OCSF has no attribute for. Outcomes are ${OUTCOMES.join(', ')}; methods ${METHODS.join(', ')}`,
      },
    ),
    Headers: object(
      {
        'content-type': { const: 'application/json' },
        ce_specversion: { const: '1.0' },
        ce_id: text('Id of the event: the same for each delivery', { format: 'uuid' }),
        ce_source: { const: '/countersign' },
        ce_type: text('`countersign.<kind>.v1`'),
        ce_time: text('When it happened', { format: 'date-time' }),
        ce_dataschema: text('Address of the OCSF schema of the value', { format: 'uri' }),
        ce_tenant: text('The tenant; `_installation` for events about the installation'),
        ce_subject: text('Id of the subject, if the event has one'),
        ce_sequence: text('Index of the event in the log, from 0 without gaps', { pattern: '^(0|[1-9][0-9]*)$' }),
        ce_traceparent: text('W3C Trace Context of the request'),
      },
      [
        'content-type',
        'ce_specversion',
        'ce_id',
        'ce_source',
        'ce_type',
        'ce_time',
        'ce_dataschema',
        'ce_tenant',
        'ce_sequence',
      ],
      { description: 'Attributes of CloudEvents 1.0 in binary mode' },
    ),
    Key: text('Tenant and subject or agent: the events of one key are in order'),
  };
}

/** The profile `security_control` of OCSF, and the factors of an attempt; 1.1.0 has neither. */
function securityControl(where = '') {
  return {
    action_id: integer(`1 allowed, 2 denied${where}`, { enum: [1, 2] }),
    action: text(`Name of the action${where}`, { enum: ['Allowed', 'Denied'] }),
    disposition_id: integer(`1 allowed, 2 blocked${where}`, { enum: [1, 2] }),
    disposition: text(`Name of the disposition${where}`, { enum: ['Allowed', 'Blocked'] }),
    is_alert: { type: 'boolean', description: `A lock or a limit refused${where}` },
    policy: object(
      { name: text('The limit that refused, for example `limits.caller`'), desc: text('Its number and period') },
      ['name'],
    ),
    auth_factors: {
      type: 'array',
      items: object(
        { factor_type_id: integer('2 security question, 11 password'), factor_type: text('Name of the type') },
        ['factor_type_id', 'factor_type'],
      ),
    },
  };
}
