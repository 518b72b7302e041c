import { NAMES_KEY_SETTING } from '@countersign/stored-secrets';
import { keyCorrection } from '@countersign/verification-client';
import { type DatabaseState } from './database-checks.js';
import { type ExaminedInstallation } from './installation.js';
import { type CheckResult, type Report } from './report.js';

type KeyProblem = CheckResult['problems'][number];

/** The check of each setting with keys. */
const CHECKS: Readonly<Record<string, string>> = {
  CREDENTIAL_KEYS: 'credential-keys',
  [NAMES_KEY_SETTING]: 'credential-keys',
  IDENTIFIER_KEY: 'identifier-key',
  SEALING_PRIVATE_KEYS: 'sealing-keys',
  SEALING_PUBLIC_KEYS: 'sealing-keys',
  RECEIPT_KEYS: 'receipt-keys',
  RECEIPT_PUBLIC_KEYS: 'receipt-keys',
  CAPTURE_TOKEN_KEY: 'capture-key',
  WEBHOOK_KEYS: 'webhook-keys',
  AUDIT_KEYS: 'audit-keys',
  LOG_PUBLIC_KEYS: 'log-keys',
  LOG_SIGNING_KEY: 'log-keys',
};

const OK: Readonly<Record<string, string>> = {
  'credential-keys': 'open what is stored',
  'identifier-key': 'is the key that the tables were written with',
  'sealing-keys': 'the adapters encrypt for keys that verification holds',
  'receipt-keys': 'the adapters verify with the keys that verification signs with',
  'capture-key': 'is the key that the adapters use',
  'webhook-keys': 'open the stored secrets of webhooks',
  'audit-keys': 'open the keys of subjects in the audit log',
  'log-keys': 'verify checkpoints of the audit log',
};

/** Compares the keys of the settings with each other and with what is stored, as every start does. */
export async function checkKeys(
  report: Report,
  { services }: ExaminedInstallation,
  { stores, reason }: DatabaseState,
): Promise<void> {
  const found = new Map<string, KeyProblem[]>();
  const compared = new Set<string>();
  const add = (setting: string, problem: KeyProblem): void => {
    const check = CHECKS[setting] ?? setting;
    found.set(check, [...(found.get(check) ?? []), problem]);
  };
  const hasAnswered = await report.run('stored-keys', async () => {
    const read: string[] = [];
    for (const { service, database, hasTables, isCurrent } of stores) {
      const { keys, needs } = service;
      if (!hasTables || !keys?.storedFaults) continue;
      // Tables of another version may lack what the comparison reads; the check of migrations has failed then.
      const faults = await keys.storedFaults(database).catch((error: unknown) => {
        if (isCurrent) throw error;
        return [];
      });
      for (const { setting, rule } of faults) {
        const [text = '', ...cure] = rule.split(': ');
        add(setting, {
          status: 'failed',
          text: `${setting} of ${needs.name} ${text}`,
          cure: cure.join(': ') || 'see docs/operations.md, "A key is lost"',
        });
      }
      for (const setting of STORED[needs.name] ?? []) compared.add(CHECKS[setting] ?? '');
      read.push(needs.name);
    }
    return {
      ok: read.length > 0 ? `compared for ${read.join(', ')}` : `none to compare${reason && `: ${reason}`}`,
      problems: [],
    };
  });
  for (const { needs, keys } of services) {
    if (keys?.unset === undefined) continue;
    compared.add(CHECKS['LOG_PUBLIC_KEYS'] ?? '');
    for (const { setting, rule } of keys.unset) {
      const [text = '', cure = ''] = rule.split(': ');
      add(setting, { status: 'warning', text: `${setting} of ${needs.name} ${text}`, cure });
    }
  }
  for (const fault of logKeyFaults(services)) add('LOG_PUBLIC_KEYS', fault);
  const verification = services.find(({ keys }) => keys?.mismatches !== undefined);
  const store = hasAnswered
    ? stores.find(({ service, hasTables }) => service === verification && hasTables)
    : undefined;
  for (const { needs, keys } of services) {
    if (keys?.sent === undefined || !verification?.keys?.mismatches) continue;
    const mismatches = await verification.keys.mismatches(keys.sent, store?.database);
    for (const setting of mismatches) {
      const [text = '', ...cure] = keyCorrection(setting).split(': ');
      add(setting, { status: 'failed', text: `${setting} of ${needs.name} ${text}`, cure: cure.join(': ') });
    }
    for (const { setting } of keys.sent) {
      if (store !== undefined || PAIRS.includes(setting)) compared.add(CHECKS[setting] ?? '');
    }
  }
  for (const [check, ok] of Object.entries(OK)) {
    const problems = found.get(check) ?? [];
    if (problems.length > 0 || compared.has(check)) await report.run(check, () => ({ ok, problems }));
    else report.skip(check, whyNot(services, check, reason));
  }
}

/** Audit refuses every checkpoint of a signer with another key. */
function logKeyFaults(services: ExaminedInstallation['services']): KeyProblem[] {
  const held = services.flatMap(({ keys }) => (keys?.logKeys === undefined ? [] : [keys.logKeys]));
  const accepted = held.flatMap((keys) => ('accepts' in keys ? [keys.accepts] : []));
  const isRefused = held.some(
    (keys) => 'signs' in keys && accepted.some((list) => list.length > 0 && !list.includes(keys.signs)),
  );
  if (!isRefused) return [];
  const text = 'LOG_PUBLIC_KEYS of audit does not have the public half of LOG_SIGNING_KEY of log-signer';
  return [{ status: 'failed', text, cure: 'add it, see docs/operations.md, "Keys"' }];
}

/** The settings whose keys each service compares with its tables. */
const STORED: Readonly<Record<string, readonly string[]>> = {
  verification: ['CREDENTIAL_KEYS', 'IDENTIFIER_KEY'],
  'rate-limit': ['IDENTIFIER_KEY'],
  webhooks: ['WEBHOOK_KEYS'],
  audit: ['AUDIT_KEYS'],
};
/** Compared without the database. */
const PAIRS = ['SEALING_PUBLIC_KEYS', 'RECEIPT_PUBLIC_KEYS'];

function whyNot(services: ExaminedInstallation['services'], check: string, reason: string): string {
  const wrong = services.find(({ faults }) => faults.some((fault) => CHECKS[fault.split(/\W/)[0] ?? ''] === check));
  if (wrong !== undefined) return `a setting of ${wrong.needs.name} is wrong, see settings`;
  const unread = services.find(({ keys }) => keys === undefined);
  if (unread !== undefined) return `the keys of ${unread.needs.name} could not be read, see settings`;
  if (reason !== '') return reason;
  if (services.length < 2) return 'run this with the settings of verification and of the adapters';
  return 'nothing is stored yet';
}
