import { Module, type DynamicModule } from '@nestjs/common';
import { ReceiptKeys } from '@countersign/sealing';
import { type ReceiptTerms, IssueReceipt } from './issue-receipt.js';
import { EraseSubject } from './erase-subject.js';
import { IntrospectReceipt } from './introspect-receipt.js';
import { ManageSubject } from './manage-subject.js';
import {
  AttemptPolicies,
  AttemptStore,
  type CallPolicies,
  type CallStore,
  type Erasures,
  PinVault,
  type ReceiptStore,
  Seals,
  SubjectStore,
} from './ports.js';
import { QueriesHandler } from './queries.handler.js';
import { TellCallState } from './tell-call-state.js';
import { SprayWatch } from './spray-watch.js';
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
  readonly callPolicies: CallPolicies;
  readonly calls: CallStore;
  readonly receipts: ReceiptStore;
  readonly receiptKeys: ReceiptKeys;
  readonly receiptTerms: ReceiptTerms;
  readonly erasures: Erasures;
  readonly watch: SprayWatch;
}

@Module({})
export class VerificationModule {
  static with(parts: VerificationParts): DynamicModule {
    const { receiptKeys, receiptTerms, seals } = parts;
    const introspect = new IntrospectReceipt(receiptKeys, seals, parts.receipts, receiptTerms.issuer);
    return {
      module: VerificationModule,
      controllers: [VerificationHandler, QueriesHandler],
      providers: [
        { provide: SubjectStore, useValue: parts.subjects },
        { provide: AttemptStore, useValue: parts.attempts },
        { provide: PinVault, useValue: parts.vault },
        { provide: Seals, useValue: parts.seals },
        { provide: AttemptPolicies, useValue: parts.policies },
        { provide: SprayWatch, useValue: parts.watch },
        {
          provide: VerifyPin,
          useValue: new VerifyPin(
            parts.subjects,
            parts.attempts,
            parts.vault,
            seals,
            parts.policies,
            parts.callPolicies,
            parts.watch,
          ),
        },
        { provide: ReceiptKeys, useValue: receiptKeys },
        { provide: IssueReceipt, useValue: new IssueReceipt(receiptKeys, seals, receiptTerms) },
        { provide: IntrospectReceipt, useValue: introspect },
        { provide: TellCallState, useValue: new TellCallState(parts.calls) },
        { provide: EraseSubject, useValue: new EraseSubject(parts.erasures) },
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
