import { Module, type DynamicModule } from '@nestjs/common';
import { ChangeOwnPin } from './change-own-pin.js';
import { DecideAttempt } from './decide-attempt.js';
import { EnrolKnowledge } from './enrol-knowledge.js';
import { EnrolPin } from './enrol-pin.js';
import { ManageSubject } from './manage-subject.js';
import { AttemptPolicies, AttemptStore, KnowledgePolicies, PinVault, Seals, SubjectStore } from './ports.js';
import { VerificationHandler } from './verification.handler.js';

/** What stands behind each port. */
export interface VerificationParts {
  readonly subjects: SubjectStore;
  readonly attempts: AttemptStore;
  readonly vault: PinVault;
  readonly seals: Seals;
  readonly policies: AttemptPolicies;
  readonly knowledge: KnowledgePolicies;
}

@Module({})
export class VerificationModule {
  static with(parts: VerificationParts): DynamicModule {
    return {
      module: VerificationModule,
      controllers: [VerificationHandler],
      providers: [
        { provide: SubjectStore, useValue: parts.subjects },
        { provide: AttemptStore, useValue: parts.attempts },
        { provide: PinVault, useValue: parts.vault },
        { provide: Seals, useValue: parts.seals },
        { provide: AttemptPolicies, useValue: parts.policies },
        { provide: KnowledgePolicies, useValue: parts.knowledge },
        {
          provide: EnrolPin,
          useFactory: (...ports: ConstructorParameters<typeof EnrolPin>) => new EnrolPin(...ports),
          inject: [SubjectStore, PinVault],
        },
        {
          provide: EnrolKnowledge,
          useFactory: (...ports: ConstructorParameters<typeof EnrolKnowledge>) => new EnrolKnowledge(...ports),
          inject: [SubjectStore, PinVault, KnowledgePolicies],
        },
        {
          provide: ChangeOwnPin,
          useFactory: (...ports: ConstructorParameters<typeof ChangeOwnPin>) => new ChangeOwnPin(...ports),
          inject: [SubjectStore, Seals, EnrolPin],
        },
        {
          provide: DecideAttempt,
          useFactory: (...ports: ConstructorParameters<typeof DecideAttempt>) => new DecideAttempt(...ports),
          inject: [SubjectStore, AttemptStore, PinVault, Seals, AttemptPolicies, KnowledgePolicies, ChangeOwnPin],
        },
        {
          provide: ManageSubject,
          useFactory: (...ports: ConstructorParameters<typeof ManageSubject>) => new ManageSubject(...ports),
          inject: [SubjectStore, Seals, EnrolPin, EnrolKnowledge],
        },
      ],
    };
  }
}
