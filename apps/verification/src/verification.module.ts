import { Module, type DynamicModule } from '@nestjs/common';
import { ManageSubject } from './manage-subject.js';
import { AttemptPolicies, AttemptStore, PinVault, Seals, SubjectStore } from './ports.js';
import { SprayWatch } from './spray-watch.js';
import { VerificationHandler } from './verification.handler.js';
import { VerifyPin } from './verify-pin.js';

/** What stands behind each port. */
export interface VerificationParts {
  readonly subjects: SubjectStore;
  readonly attempts: AttemptStore;
  readonly vault: PinVault;
  readonly seals: Seals;
  readonly policies: AttemptPolicies;
  readonly watch: SprayWatch;
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
        { provide: SprayWatch, useValue: parts.watch },
        {
          provide: VerifyPin,
          useFactory: (...ports: ConstructorParameters<typeof VerifyPin>) => new VerifyPin(...ports),
          inject: [SubjectStore, AttemptStore, PinVault, Seals, AttemptPolicies, SprayWatch],
        },
        {
          provide: ManageSubject,
          useFactory: (...ports: ConstructorParameters<typeof ManageSubject>) => new ManageSubject(...ports),
          inject: [SubjectStore, PinVault, Seals],
        },
      ],
    };
  }
}
