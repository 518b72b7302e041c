import { inspect } from 'node:util';
import { ServiceError } from '@countersign/runtime';
import {
  ConstraintViolation,
  isConnectionLoss,
  isDatabaseDown,
  translateError,
  UniqueViolation,
} from './database-errors.js';

const CANARY = '4711081590817263';

/** Driver errors: text and detail quote values. */
const driverError = (code: string | undefined, more: object = {}): Error =>
  Object.assign(new Error(`connect to db.internal with ${CANARY}`), {
    ...(code === undefined ? {} : { code }),
    detail: `Key (pin)=(${CANARY}) already exists.`,
    where: CANARY,
    ...more,
  });

describe('translateError', () => {
  const passing = [
    '08006',
    '57P01',
    '57P03',
    '53300',
    '53100',
    '40001',
    '40P01',
    '57014',
    '55P03',
    '25006',
    '28P01',
    '3D000',
  ];
  const system = [
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'ENOTFOUND',
    'EAI_AGAIN',
    'SELF_SIGNED_CERT_IN_CHAIN',
  ];

  it.each([...passing, ...system])('translates %s to DATABASE_UNAVAILABLE, retriable', (code) => {
    const fault = translateError(driverError(code));
    expect(fault).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retriable: true, cause: { code } });
  });

  it.each(['Connection terminated unexpectedly', 'Query read timeout', 'timeout exceeded when trying to connect'])(
    'calls "%s" unavailable and retriable',
    (text) => {
      expect(translateError(new Error(text))).toMatchObject({ code: 'DATABASE_UNAVAILABLE', retriable: true });
    },
  );

  it.each(['22P02', '22012', '42601', 'P0001', 'XX000'])('translates %s to INTERNAL', (code) => {
    expect(translateError(driverError(code))).toMatchObject({ code: 'INTERNAL', retriable: false });
  });

  it('distinguishes an existing row from other violations', () => {
    expect(translateError(driverError('23505', { constraint: 'one_pin' }))).toBeInstanceOf(UniqueViolation);
    const check = translateError(driverError('23514', { constraint: 'positive' }));
    expect(check).toBeInstanceOf(ConstraintViolation);
    expect(check).not.toBeInstanceOf(UniqueViolation);
    expect(check).toMatchObject({ constraint: 'positive' });
  });

  it('contains no value for any error', () => {
    // Without class 42: its message quotes only our statement.
    for (const code of [...passing, ...system, '23505', '23502', '22P02', 'P0001', undefined]) {
      expect(inspect(translateError(driverError(code)), { depth: 10, showHidden: true })).not.toContain(CANARY);
    }
  });

  it('returns translated errors unchanged', () => {
    const fault = new ServiceError('INTERNAL', 'a fault', false);
    expect(translateError(fault)).toBe(fault);
  });
});

describe('isDatabaseDown and isConnectionLoss', () => {
  it('report the database down after a lost connection or a full disk, not after a conflict or with an empty pool', () => {
    const down = (error: Error): boolean => isDatabaseDown(translateError(error));
    expect(['08006', '57P01', '53100', 'ECONNREFUSED'].map((code) => down(driverError(code)))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(['40001', '57014', '23505', '22P02'].map((code) => down(driverError(code)))).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect(down(new Error('timeout exceeded when trying to connect'))).toBe(false);
  });

  it('report a lost connection only when the server did not respond on it', () => {
    const lost = ['57P01', '08006', 'EPIPE', undefined].map((code) => isConnectionLoss(driverError(code)));
    expect(lost).toEqual([true, true, true, true]);
    expect(['40001', '23505', '57014'].map((code) => isConnectionLoss(driverError(code)))).toEqual([
      false,
      false,
      false,
    ]);
  });
});
