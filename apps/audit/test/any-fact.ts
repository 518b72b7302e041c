import fc from 'fast-check';
import {
  Actor,
  ACTOR_KINDS,
  FACT_KINDS,
  FactRecorded,
  LEVELS,
  LIMIT_DIMENSIONS,
  message,
  METHODS,
  OPERATOR_ROLES,
  OUTCOMES,
  type FieldsOf,
} from '@countersign/contracts';

const name = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,62}$/);
const hash = fc.stringMatching(/^[0-9a-f]{64}$/);
const anyText = (maxLength: number): fc.Arbitrary<string> => fc.string({ minLength: 1, maxLength, unit: 'grapheme' });

/** Addresses with and without ports and zones, and names. */
const sourceAddress = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.tuple(fc.ipV4(), fc.nat(65_535)).map(([ip, port]) => `${ip}:${port}`),
  fc.tuple(fc.ipV6(), fc.nat(65_535)).map(([ip, port]) => `[${ip}]:${port}`),
  fc.ipV6().map((ip) => `${ip}%eth0`),
  fc.constantFrom('unknown', 'localhost', '999.1.1.1', 'fe80::1%', 'a:b', '::ffff:10.0.0.1', '[::1', '1.2.3.4:99999'),
  fc.stringMatching(/^[\w.:%[\]-]{1,64}$/),
);

const actor = fc
  .record(
    {
      ...{ kind: fc.constantFrom(...ACTOR_KINDS), id: name, sourceAddress, name: anyText(50) },
      roles: fc.subarray([...OPERATOR_ROLES]),
    },
    { requiredKeys: ['kind', 'sourceAddress'] },
  )
  .map((fields) => Object.assign(new Actor(), fields));

const detail = fc.oneof(
  fc.record(
    {
      count: fc.nat(),
      source: sourceAddress,
      code: name,
      dimension: fc.constantFrom(...LIMIT_DIMENSIONS),
      limit: fc.nat(),
      periodSeconds: fc.nat(),
      key: name,
      webhook: name,
    },
    { requiredKeys: [] },
  ),
  fc.dictionary(name, fc.oneof(anyText(50), fc.integer(), fc.boolean())),
);

/** Facts of every form that {@link FactRecorded} permits. */
export const anyFact: fc.Arbitrary<FactRecorded> = fc
  .record(
    {
      factId: fc.uuid(),
      kind: fc.constantFrom(...FACT_KINDS),
      time: fc
        .date({ min: new Date('1970-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
        .map((date) => date.toISOString()),
      tenant: fc.oneof(name, fc.constant('_installation')),
      agent: name,
      actor,
      subject: anyText(128),
      subjectKey: hash,
      callId: anyText(256),
      callerKey: hash,
      callerTail: fc.stringMatching(/^\d{0,2}$/),
      attestation: fc.constantFrom('TN-Validation-Passed-A', 'TN-Validation-Failed'),
      verificationId: fc.uuid(),
      commandId: anyText(100).map((text) => `command-${text}`),
      method: fc.constantFrom(...METHODS),
      channel: fc.constantFrom('swaig' as const, 'rest' as const),
      outcome: fc.constantFrom(...OUTCOMES),
      level: fc.constantFrom(...LEVELS),
      attempt: fc.integer({ min: 1 }),
      detail,
    },
    { requiredKeys: ['factId', 'kind', 'time', 'tenant'] },
  )
  .map((fields) => message(FactRecorded, fields as FieldsOf<FactRecorded>));
