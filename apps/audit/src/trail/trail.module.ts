import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { type OcsfVersion } from '@countersign/contracts';
import { PersonalDataVault } from '../personal-data/personal-data.ports.js';
import { SealPersonalData } from '../personal-data/seal-personal-data.use-case.js';
import { DeadLettersHandler } from './dead-letters.handler.js';
import { FactsHandler } from './facts.handler.js';
import { RecordDeadLetter } from './record-dead-letter.use-case.js';
import { OCSF_VERSION, RecordFact } from './record-fact.use-case.js';
import { AuditTrail } from './trail.ports.js';

const trailOn = (trail: AuditTrail, vault: PersonalDataVault, ocsfVersion: OcsfVersion): Provider[] => [
  { provide: OCSF_VERSION, useValue: ocsfVersion },
  { provide: AuditTrail, useValue: trail },
  { provide: PersonalDataVault, useValue: vault },
  SealPersonalData,
];

/** Records facts. */
@Module({ controllers: [FactsHandler], providers: [RecordFact] })
export class FactsModule {
  static with(trail: AuditTrail, vault: PersonalDataVault, ocsfVersion: OcsfVersion): DynamicModule {
    return { module: FactsModule, providers: trailOn(trail, vault, ocsfVersion) };
  }
}

/**
 * Records dead letters, in an application and consumer group of its own. On the in-process bus the sender of a dead letter
 * waits until it is handled. If facts and dead letters shared the slots of one consumer, facts that wait for dead letters
 * could take every slot and deadlock.
 */
@Module({ controllers: [DeadLettersHandler], providers: [RecordDeadLetter, RecordFact] })
export class DeadLettersModule {
  static with(trail: AuditTrail, vault: PersonalDataVault, ocsfVersion: OcsfVersion): DynamicModule {
    return { module: DeadLettersModule, providers: trailOn(trail, vault, ocsfVersion) };
  }
}
