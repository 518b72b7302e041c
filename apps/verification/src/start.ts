import { availableParallelism } from 'node:os';
import {
  DEAD_LETTERS,
  CallStateRequested,
  KnowledgeChangeRequested,
  PinChangeRequested,
  ReceiptIntrospectionRequested,
  KeyComparisonRequested,
  SubjectChangeRequested,
  SubjectEraseRequested,
  SubjectStateRequested,
  SubjectUnlockRequested,
  TOPICS,
  VerificationAdmitted,
} from '@countersign/contracts';
import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { createBusApp } from '@countersign/messaging';
import { METRICS, NestLogger } from '@countersign/observability';
import { KeyedHash, Keyring, ReceiptKeys, PayloadOpener } from '@countersign/crypto';
import { PostgresDeliveries, type Database } from '@countersign/persistence';
import { parseSetting, loadSettings, ServiceError, SystemClock, type Environment } from '@countersign/runtime';
import { keyFault, openNamesKey, recordKeys, requiredKeys, type ConfiguredKeys } from '@countersign/stored-secrets';
import { VERIFICATION_MIGRATIONS } from '../migrations/index.js';
import { CompareKeys } from './integrity/compare-keys.use-case.js';
import {
  hashConcurrency,
  poolAdvice,
  receiptIssuer,
  reservedHashes,
  VerificationSettings,
} from './verification.settings.js';
import { SprayDetector } from './abuse/spray-detector.js';
import { PostgresAttemptGate } from './attempts/attempt-gate.store.js';
import { replaceCredential } from './credentials/credential-rehash.store.js';
import { DirectoryCallPolicies, DirectoryKnowledge, DirectoryPolicies } from './attempts/directory-policies.store.js';
import { PostgresSubjectErasure } from './subjects/erasure.store.js';
import { PostgresKeyRecords } from './integrity/key-records.store.js';
import { Retention } from './retention/retention.store.js';
import { ArgonPinVault } from './credentials/pin-vault.store.js';
import { PostgresReceiptStore } from './receipts/receipt.store.js';
import { JweSealedPayloads } from './attempts/sealed-payload.store.js';
import { PostgresSubjectStore } from './subjects/subject.store.js';
import { TamperReports } from './integrity/tamper-reports.store.js';
import { PostgresVerificationRecords } from './calls/verification-records.store.js';
import { type PinVault } from './credentials/credentials.ports.js';
import { VerificationModule } from './verification.module.js';

/** Interval in which the required keys are read, in milliseconds: `countersign keys rekey` changes them while services run. */
const REFRESH_KEYS_MS = 5_000;
/** How often spent receipts whose time is over are removed. */
const FORGET_MS = 60_000;

/** Besides the usual: another way to hash, for measurements of everything but the hash. No setting reaches it. */
export interface VerificationReplacements extends StartReplacements {
  readonly vault?: PinVault;
}

/** Starts the verification service. @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, DATABASE_UNAVAILABLE */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: VerificationReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(VerificationSettings, env);
  const keyring = await parseSetting('CREDENTIAL_KEYS', () => new Keyring(settings.CREDENTIAL_KEYS));
  const unsealer = await parseSetting('SEALING_PRIVATE_KEYS', () =>
    PayloadOpener.fromKeySet(settings.SEALING_PRIVATE_KEYS),
  );
  const hash = await parseSetting('IDENTIFIER_KEY', () => new KeyedHash(settings.IDENTIFIER_KEY));
  const receiptKeys = await parseSetting('RECEIPT_KEYS', () => ReceiptKeys.fromKeySet(settings.RECEIPT_KEYS));

  const { admissions, subjectCommands, queries, limitCommands, directory: entries, facts } = TOPICS;
  const topics = [admissions, subjectCommands, queries, limitCommands, entries, facts, DEAD_LETTERS];
  const host = await Host.open('verification', settings, topics, fatal, replace);
  const database = await host.database('verification', VERIFICATION_MIGRATIONS, settings);
  const names = await requireKeys(host, database, keyring, [
    { setting: 'IDENTIFIER_KEY', keys: hash.checks, names: true },
    { setting: 'CREDENTIAL_KEYS', keys: keyring.checks, names: false },
    { setting: 'SEALING_PRIVATE_KEYS', keys: unsealer.checks, names: false },
    { setting: 'RECEIPT_KEYS', keys: receiptKeys.checks, names: false },
  ]);
  const refreshKeys = async (): Promise<void> => {
    const required = await requiredKeys(database, 'IDENTIFIER_KEY');
    const missing = required.find(({ keyId }) => !hash.checks.some((held) => held.keyId === keyId));
    // Every attempt would be `unavailable` once the adapters use the required key alone.
    if (missing !== undefined)
      fatal(new ServiceError('SETTINGS_INVALID', `IDENTIFIER_KEY must hold the key ${missing.keyId}`, false));
  };
  const refreshing = setInterval(() => void refreshKeys().catch(() => undefined), REFRESH_KEYS_MS);
  host.onClose(() => Promise.resolve(clearInterval(refreshing)));
  const relay = host.relay(database);
  const leftovers = new Retention(database, { decoyDays: settings.DECOY_DAYS, inboxDays: settings.INBOX_DAYS });
  const pruning = setInterval(() => void leftovers.purge().catch(() => undefined), settings.PRUNE_SECONDS * 1000);
  host.onClose(() => Promise.resolve(clearInterval(pruning)));
  const directory = await host.directory();
  const wake = (): void => relay.wake();
  const { report } = new TamperReports(database, host.logger, wake);
  const concurrency = hashConcurrency(settings, availableParallelism());
  const advice = poolAdvice(settings, concurrency, availableParallelism());
  if (advice !== undefined) host.logger.warn(advice);
  const argon = await ArgonPinVault.open({
    keyring,
    cost: { memoryKib: settings.HASH_MEMORY_KIB, passes: settings.HASH_PASSES, lanes: settings.HASH_LANES },
    concurrency,
    reserved: reservedHashes(settings, concurrency),
    queueLimit: settings.HASH_QUEUE,
    report,
    replace: replaceCredential(database),
  });
  const labels = { service: 'verification' };
  for (const hide of [
    METRICS.hashLoad.read(() => [{ labels, value: argon.load }]),
    METRICS.hashQueue.read(() => [{ labels, value: argon.waiting }]),
  ]) {
    host.onClose(() => Promise.resolve(hide()));
  }

  const receipts = new PostgresReceiptStore(database, wake);
  const forget = (): void => void receipts.forget().catch(() => undefined);
  const forgetting = setInterval(forget, FORGET_MS);
  host.onClose(() => Promise.resolve(clearInterval(forgetting)));
  const app = await createBusApp(
    VerificationModule.with({
      subjects: new PostgresSubjectStore(database, keyring, names, hash, wake, report),
      attempts: new PostgresAttemptGate(database, names, wake, (tenant) => argon.queuedOf(tenant) > 0, report),
      vault: replace.vault ?? argon,
      seals: new JweSealedPayloads(unsealer),
      hash,
      names,
      policies: new DirectoryPolicies(directory),
      knowledge: new DirectoryKnowledge(directory),
      callPolicies: new DirectoryCallPolicies(directory),
      records: new PostgresVerificationRecords(database, names, keyring, report),
      receipts,
      receiptKeys,
      receiptTerms: { issuer: receiptIssuer(settings), seconds: settings.RECEIPT_SECONDS },
      erasures: new PostgresSubjectErasure(database, names, hash, wake),
      compareKeys: new CompareKeys(
        {
          SEALING_PUBLIC_KEYS: { keys: unsealer.checks, direction: 'sends' },
          RECEIPT_PUBLIC_KEYS: { keys: receiptKeys.checks, direction: 'receives' },
        },
        ['IDENTIFIER_KEY'],
        ['CAPTURE_TOKEN_KEY'],
        new PostgresKeyRecords(database),
      ),
      watch: new SprayDetector((_tenant, agent) => directory.agent(agent)?.policy.signals, new SystemClock()),
    }),
    {
      broker: host.broker,
      group: 'verification',
      deliveries: new PostgresDeliveries(database),
      sign: (text) => receiptKeys.signAnswer(text),
      messages: [
        VerificationAdmitted,
        SubjectChangeRequested,
        PinChangeRequested,
        KnowledgeChangeRequested,
        SubjectStateRequested,
        SubjectEraseRequested,
        CallStateRequested,
        ReceiptIntrospectionRequested,
        KeyComparisonRequested,
        SubjectUnlockRequested,
      ],
      slow: [VerificationAdmitted, PinChangeRequested, KnowledgeChangeRequested],
      maxInFlight: settings.MAX_IN_FLIGHT,
      logger: new NestLogger(host.logger),
      onFatal: fatal,
      observe: host.observe,
    },
  );
  host.onClose(() => app.close());
  await app.listen();
  return host.started();
}

/** A service that could not open what is stored would answer every right PIN with `unavailable`: it does not start. */
async function requireKeys(
  host: Host,
  database: Database,
  keyring: Keyring,
  held: readonly ConfiguredKeys[],
): Promise<KeyedHash> {
  try {
    const fault = await keyFault(database.forAllTenants(), keyring);
    if (fault !== undefined) await parseSetting('CREDENTIAL_KEYS', () => Promise.reject(new Error(fault)));
    const names = await openNamesKey(database, keyring);
    const ofTables = { setting: 'verification.names_key', keys: names.checks, names: true };
    const other = await recordKeys(database, [...held, ofTables]);
    if (other !== undefined) await parseSetting(other.setting, () => Promise.reject(new Error(other.rule)));
    return names;
  } catch (error) {
    await host.close().catch(() => undefined);
    throw error;
  }
}
