import { Module, type DynamicModule } from '@nestjs/common';
import { type KeyedHash, type ReceiptKeys } from '@countersign/sealing';
import { type CallPolicies, type ReceiptStore, type VerificationRecords } from './call.ports.js';
import { ChangeOwnPin } from './change-own-pin.js';
import { CompareKeys } from './compare-keys.js';
import { DecideAttempt } from './decide-attempt.js';
import { EnrolKnowledge } from './enrol-knowledge.js';
import { EnrolPin } from './enrol-pin.js';
import { type ReceiptTerms, IssueReceipt } from './issue-receipt.js';
import { EraseSubject } from './erase-subject.js';
import { IntrospectReceipt } from './introspect-receipt.js';
import { ManageSubject } from './manage-subject.js';
import { OpenCommand } from './open-command.js';
import {
  AttemptPolicies,
  AttemptStore,
  type Erasures,
  type KnowledgePolicies,
  PinVault,
  Seals,
  SubjectStore,
} from './ports.js';
import { QueriesHandler } from './queries.handler.js';
import { TellCallState } from './tell-call-state.js';
import { SprayWatch } from './spray-watch.js';
import { Successes } from './successes.js';
import { UnlockSubject } from './unlock-subject.js';
import { VerificationHandler } from './verification.handler.js';

/** What stands behind each port. */
export interface VerificationParts {
  readonly subjects: SubjectStore;
  readonly attempts: AttemptStore;
  readonly vault: PinVault;
  readonly seals: Seals;
  /** Of IDENTIFIER_KEY: names in events. */
  readonly hash: KeyedHash;
  /** Of the key of the tables: names in rows. */
  readonly names: KeyedHash;
  readonly policies: AttemptPolicies;
  readonly knowledge: KnowledgePolicies;
  readonly callPolicies: CallPolicies;
  readonly records: VerificationRecords;
  readonly receipts: ReceiptStore;
  readonly receiptKeys: ReceiptKeys;
  readonly receiptTerms: ReceiptTerms;
  readonly erasures: Erasures;
  readonly watch: SprayWatch;
  readonly compareKeys: CompareKeys;
}

@Module({})
export class VerificationModule {
  static with(parts: VerificationParts): DynamicModule {
    const { receiptKeys, receiptTerms, seals, records, callPolicies } = parts;
    const enrolPin = new EnrolPin(parts.subjects, parts.vault);
    const enrolKnowledge = new EnrolKnowledge(parts.subjects, parts.vault, parts.knowledge);
    const { issuer } = receiptTerms;
    const introspect = new IntrospectReceipt(receiptKeys, seals, parts.receipts, records, callPolicies, issuer);
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
          provide: DecideAttempt,
          useValue: new DecideAttempt(
            parts.subjects,
            parts.attempts,
            parts.vault,
            new OpenCommand(seals, parts.names, parts.hash),
            parts.policies,
            new Successes(records, callPolicies),
            parts.knowledge,
            new ChangeOwnPin(parts.subjects, enrolPin),
            parts.hash,
            parts.watch,
          ),
        },
        { provide: IssueReceipt, useValue: new IssueReceipt(receiptKeys, seals, receiptTerms) },
        { provide: IntrospectReceipt, useValue: introspect },
        { provide: CompareKeys, useValue: parts.compareKeys },
        { provide: TellCallState, useValue: new TellCallState(records, callPolicies) },
        { provide: EraseSubject, useValue: new EraseSubject(parts.erasures) },
        {
          provide: ManageSubject,
          useValue: new ManageSubject(parts.subjects, seals, enrolPin, enrolKnowledge, parts.policies),
        },
        {
          provide: UnlockSubject,
          useFactory: (subjects: SubjectStore, attempts: AttemptStore) =>
            new UnlockSubject(subjects, attempts, parts.hash),
          inject: [SubjectStore, AttemptStore],
        },
      ],
    };
  }
}
