import { Module, type DynamicModule } from '@nestjs/common';
import { ManageSubject } from './manage-subject.js';
import { AttemptPolicies, AttemptStore, PinVault, Seals, SubjectStore } from './ports.js';
import { UnlockSubject } from './unlock-subject.js';
import { VerificationHandler } from './verification.handler.js';
import { VerifyPin } from './verify-pin.js';

/** What stands behind each port. */
export interface VerificationParts {
  readonly subjects: SubjectStore;
  readonly attempts: AttemptStore;
  readonly vault: PinVault;
  readonly seals: Seals;
  readonly policies: AttemptPolicies;
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
        {
          provide: VerifyPin,
          useFactory: (...ports: ConstructorParameters<typeof VerifyPin>) => new VerifyPin(...ports),
          inject: [SubjectStore, AttemptStore, PinVault, Seals, AttemptPolicies],
        },
        {
          provide: ManageSubject,
          useFactory: (...ports: ConstructorParameters<typeof ManageSubject>) => new ManageSubject(...ports),
          inject: [SubjectStore, PinVault, Seals],
        },
        {
          provide: UnlockSubject,
          useFactory: (...ports: ConstructorParameters<typeof UnlockSubject>) => new UnlockSubject(...ports),
          inject: [SubjectStore, AttemptStore],
        },
      ],
    };
  }
}
