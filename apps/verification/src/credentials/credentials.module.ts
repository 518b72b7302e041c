import { availableParallelism } from 'node:os';
import { Global, Module } from '@nestjs/common';
import { Keyring } from '@countersign/crypto';
import { Host } from '@countersign/hosting';
import { METRICS } from '@countersign/observability';
import { Database } from '@countersign/persistence';
import { TamperReports } from '../integrity/tamper-reports.store.js';
import { hashConcurrency, poolAdvice, reservedHashes, VerificationSettings } from '../verification.settings.js';
import { openArgon2 } from './argon2/open-argon2.js';
import { ChangeOwnPin } from './change-own-pin.use-case.js';
import { replaceCredential } from './credential-rehash.store.js';
import { PinVault } from './credentials.ports.js';
import { EnrolPin } from './enrol-pin.use-case.js';
import { ArgonPinVault } from './pin-vault.store.js';

/** Injects the vault that replaces argon2, if there is one: `{ vault?: PinVault }`. */
export const VAULT_REPLACEMENT = Symbol('replacement of the vault');

@Global()
@Module({
  providers: [
    {
      provide: ArgonPinVault,
      inject: [Host, Database, Keyring, TamperReports, VerificationSettings],
      useFactory: openVault,
    },
    {
      provide: PinVault,
      inject: [ArgonPinVault, VAULT_REPLACEMENT],
      useFactory: (argon: ArgonPinVault, { vault }: { vault?: PinVault }) => vault ?? argon,
    },
    EnrolPin,
    ChangeOwnPin,
  ],
  exports: [ArgonPinVault, PinVault, EnrolPin, ChangeOwnPin],
})
export class CredentialsModule {}

async function openVault(
  host: Host,
  database: Database,
  keyring: Keyring,
  { report }: TamperReports,
  settings: VerificationSettings,
): Promise<ArgonPinVault> {
  const concurrency = hashConcurrency(settings, availableParallelism());
  // Each thread keeps the memory of a hash, so there are no more threads than hashes that run at a time.
  const threads = Math.min(settings.UV_THREADPOOL_SIZE, concurrency);
  const cost = { memoryKib: settings.HASH_MEMORY_KIB, passes: settings.HASH_PASSES, lanes: settings.HASH_LANES };
  const argon2 = openArgon2(threads, cost, host.logger);
  const advice = poolAdvice(settings, concurrency, availableParallelism());
  if (advice !== undefined) host.logger.warn(advice);
  const vault = await ArgonPinVault.open({
    keyring,
    cost,
    argon2,
    concurrency,
    reserved: reservedHashes(settings, concurrency),
    queueLimit: settings.HASH_QUEUE,
    report,
    replace: replaceCredential(database),
  });
  const labels = { service: host.name };
  const hideLoad = METRICS.hashLoad.read(() => [{ labels, value: vault.load }]);
  const hideQueue = METRICS.hashQueue.read(() => [{ labels, value: vault.waiting }]);
  METRICS.hashLibrary.labels(argon2.library).set(1);
  host.onClose(() => {
    hideLoad();
    hideQueue();
    argon2.close();
    return Promise.resolve();
  });
  return vault;
}
