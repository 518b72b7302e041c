import { Global, Module } from '@nestjs/common';
import { type KeyedHash } from '@countersign/crypto';
import { DirectoryCache } from '@countersign/directory-cache';
import { Database, OutboxRelay } from '@countersign/persistence';
import { SystemClock } from '@countersign/runtime';
import { SprayDetector } from '../abuse/spray-detector.js';
import { ArgonPinVault } from '../credentials/pin-vault.store.js';
import { TABLE_NAMES } from '../integrity/stored-names.js';
import { TamperReports } from '../integrity/tamper-reports.store.js';
import { AnswerAttempt } from './answer-attempt.use-case.js';
import { PostgresAttemptGate } from './gate/attempt-gate.store.js';
import { AttemptsHandler } from './attempts.handler.js';
import { AttemptGate, AttemptPolicies, SealedPayloads } from './attempts.ports.js';
import { DecideAttempt } from './decide-attempt.use-case.js';
import { DirectoryPolicies } from './directory-policies.store.js';
import { CommandOpener } from './open-command.js';
import { JweSealedPayloads } from './sealed-payload.store.js';

@Global()
@Module({
  controllers: [AttemptsHandler],
  providers: [
    {
      provide: AttemptGate,
      inject: [Database, TABLE_NAMES, OutboxRelay, ArgonPinVault, TamperReports],
      useFactory: (
        database: Database,
        names: KeyedHash,
        relay: OutboxRelay,
        argon: ArgonPinVault,
        { report }: TamperReports,
      ) => {
        const moreToCome = (tenant: string): boolean => argon.queuedOf(tenant) > 0;
        return new PostgresAttemptGate(database, names, () => relay.wake(), moreToCome, report);
      },
    },
    { provide: AttemptPolicies, useClass: DirectoryPolicies },
    { provide: SealedPayloads, useClass: JweSealedPayloads },
    {
      provide: SprayDetector,
      inject: [DirectoryCache],
      useFactory: (directory: DirectoryCache) =>
        new SprayDetector((_tenant, agent) => directory.agent(agent)?.policy.signals, new SystemClock()),
    },
    CommandOpener,
    DecideAttempt,
    AnswerAttempt,
  ],
  exports: [AttemptGate, AttemptPolicies, SealedPayloads, DecideAttempt],
})
export class AttemptsModule {}
