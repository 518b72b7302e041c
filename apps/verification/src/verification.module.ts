import { Module, type DynamicModule } from '@nestjs/common';
import { type KeyedHash, type ReceiptKeys } from '@countersign/crypto';
import { CallPolicies, VerificationRecords } from './calls/calls.ports.js';
import { type ReceiptStore } from './receipts/receipts.ports.js';
import { AttemptPolicies, AttemptGate, SealedPayloads } from './attempts/attempts.ports.js';
import { type SubjectErasure, SubjectStore } from './subjects/subjects.ports.js';
import { KnowledgePolicies } from './knowledge/knowledge.ports.js';
import { PinVault } from './credentials/credentials.ports.js';
import { ChangeOwnPin } from './credentials/change-own-pin.use-case.js';
import { CompareKeys } from './integrity/compare-keys.use-case.js';
import { AnswerAttempt } from './attempts/answer-attempt.use-case.js';
import { EVENT_NAMES, TABLE_NAMES } from './integrity/stored-names.js';
import { DecideAttempt } from './attempts/decide-attempt.use-case.js';
import { EnrolKnowledge } from './knowledge/enrol-knowledge.use-case.js';
import { EnrolPin } from './credentials/enrol-pin.use-case.js';
import { type ReceiptTerms, IssueReceipt } from './receipts/issue-receipt.use-case.js';
import { EraseSubject } from './subjects/erase-subject.use-case.js';
import { IntrospectReceipt } from './receipts/introspect-receipt.use-case.js';
import { ManageSubject } from './subjects/manage-subject.use-case.js';
import { CommandOpener } from './attempts/open-command.js';
import { QueriesHandler } from './calls/queries.handler.js';
import { ReadCallState } from './calls/read-call-state.use-case.js';
import { SprayDetector } from './abuse/spray-detector.js';
import { Successes } from './calls/successes.js';
import { UnlockSubject } from './subjects/unlock-subject.use-case.js';
import { VerificationHandler } from './attempts/attempts.handler.js';

/** What stands behind each port. */
export interface VerificationParts {
  readonly subjects: SubjectStore;
  readonly attempts: AttemptGate;
  readonly vault: PinVault;
  readonly seals: SealedPayloads;
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
  readonly erasures: SubjectErasure;
  readonly watch: SprayDetector;
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
        { provide: AttemptGate, useValue: parts.attempts },
        { provide: PinVault, useValue: parts.vault },
        { provide: SealedPayloads, useValue: parts.seals },
        { provide: AttemptPolicies, useValue: parts.policies },
        { provide: SprayDetector, useValue: parts.watch },
        { provide: KnowledgePolicies, useValue: parts.knowledge },
        { provide: CallPolicies, useValue: callPolicies },
        { provide: VerificationRecords, useValue: records },
        { provide: TABLE_NAMES, useValue: parts.names },
        { provide: EVENT_NAMES, useValue: parts.hash },
        { provide: EnrolPin, useValue: enrolPin },
        Successes,
        CommandOpener,
        DecideAttempt,
        ChangeOwnPin,
        AnswerAttempt,
        { provide: IssueReceipt, useValue: new IssueReceipt(receiptKeys, receiptTerms) },
        { provide: IntrospectReceipt, useValue: introspect },
        { provide: CompareKeys, useValue: parts.compareKeys },
        { provide: ReadCallState, useValue: new ReadCallState(records, callPolicies) },
        { provide: EraseSubject, useValue: new EraseSubject(parts.erasures) },
        {
          provide: ManageSubject,
          useValue: new ManageSubject(parts.subjects, seals, enrolPin, enrolKnowledge, parts.policies),
        },
        {
          provide: UnlockSubject,
          useFactory: (subjects: SubjectStore, attempts: AttemptGate) =>
            new UnlockSubject(subjects, attempts, parts.hash),
          inject: [SubjectStore, AttemptGate],
        },
      ],
    };
  }
}
