import { randomBytes, randomUUID } from 'node:crypto';
import {
  bindingOf,
  CallStateRequested,
  message,
  ReceiptIntrospectionRequested,
  SubjectEraseRequested,
  VerificationAdmitted,
  VerificationRequested,
  type VerificationDecided,
} from '@countersign/contracts';
import {
  createReceiptKeys,
  createReplyKey,
  createSealingKeys,
  KeyedHash,
  Keyring,
  openReply,
  ReceiptKeys,
  PayloadSealer,
  Secret,
  PayloadOpener,
} from '@countersign/crypto';
import { ManualClock, TEST_ACTOR } from '@countersign/testing';
import { ChangeOwnPin } from '../src/credentials/change-own-pin.use-case.js';
import { SprayDetector } from '../src/abuse/spray-detector.js';
import { AnswerAttempt } from '../src/attempts/answer-attempt.use-case.js';
import { DecideAttempt } from '../src/attempts/decide-attempt.use-case.js';
import { EnrolPin } from '../src/credentials/enrol-pin.use-case.js';
import { EraseSubject } from '../src/subjects/erasure/erase-subject.use-case.js';
import { IntrospectReceipt } from '../src/receipts/introspect-receipt.use-case.js';
import { IssueReceipt } from '../src/receipts/issue-receipt.use-case.js';
import { CommandOpener } from '../src/attempts/open-command.js';
import { FakeAttemptGate } from './attempt-gate.fake.js';
import { ArgonPinVault } from '../src/credentials/pin-vault.store.js';
import { JweSealedPayloads } from '../src/attempts/sealed-payload.store.js';
import { FakeSubjectStore } from './subject-store.fake.js';
import { credentialOf } from './subject-store.contract.js';
import { MemoryErasures, MemoryReceiptStore, FakeVerificationRecords } from './verification-records.fake.js';
import { Successes } from '../src/calls/successes.js';
import { ReadCallState } from '../src/calls/read-call-state.use-case.js';
import {
  commandOfTest,
  identityOfTest,
  namesOfTest,
  CallPoliciesOfTest,
  EveryAgent,
  OneKnowledge,
} from './test-bed.js';

export const PIN = '83729164';
export const OTHER = '19283746';
export const TERMS = { issuer: 'https://verify.example.com', seconds: 300 };
export const MINUTE = 60_000;

const secret = (): Secret => new Secret(randomBytes(32).toString('base64url'));

/** One guess, and what became of its answer. */
interface Played {
  readonly decided: VerificationDecided;
  /** Opened with the key of the request; undefined: there was none. */
  readonly receipt: string | undefined;
}

/** Guesses, receipts, states of calls and erasures over stores in memory, asked as the adapters ask. */
export async function openCallBed() {
  const sealing = await createSealingKeys('s1');
  const sealer = await PayloadSealer.fromKeySet(sealing.publicKeys);
  const seals = new JweSealedPayloads(await PayloadOpener.fromKeySet(new Secret(sealing.privateKeys)));
  const [hash, names] = [new KeyedHash(secret()), new KeyedHash(secret())];
  const keyring = new Keyring(new Secret(`k1:${secret().reveal()}`));
  const cost = { memoryKib: 8, passes: 1, lanes: 1 };
  const vault = await ArgonPinVault.open({ keyring, cost, concurrency: 2, queueLimit: 100 });
  const clock = new ManualClock();
  const attempts = new FakeAttemptGate(clock);
  const subjects = new FakeSubjectStore(names, attempts);
  const policies = new CallPoliciesOfTest();
  const knowledge = new OneKnowledge();
  const records = new FakeVerificationRecords(attempts, subjects, clock);
  const enrolPin = new EnrolPin(subjects, vault);
  const keys = ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1')));
  const decideAttempt = new DecideAttempt(
    subjects,
    attempts,
    vault,
    new EveryAgent(),
    knowledge,
    new Successes(records, policies),
    new SprayDetector(() => undefined, clock),
    hash,
  );
  const answerAttempt = new AnswerAttempt(
    new CommandOpener(seals, names, hash),
    decideAttempt,
    new ChangeOwnPin(decideAttempt, subjects, enrolPin),
    new IssueReceipt(keys, TERMS),
    attempts,
  );
  const receipts = new MemoryReceiptStore();
  const introspect = new IntrospectReceipt(keys, seals, receipts, records, policies, TERMS);
  const calls = new ReadCallState(records, policies);
  const erasure = new EraseSubject(new MemoryErasures(subjects));

  /** The answers of every subject. */
  const ANSWERS = { last_four_ssn: '4471', zip_code: '90210' };
  const create = async (subject: string): Promise<void> => {
    await subjects.change(randomUUID(), 'acme', subject, { displayName: subject.toUpperCase() });
    const pin = credentialOf({ cap: 50, wrap: await vault.prepare(PIN, 'acme') });
    await subjects.enrol(randomUUID(), 'acme', subject, pin);
    const answers = new Map(Object.entries(ANSWERS));
    const credential = { kind: 'knowledge' as const, cap: 50, wrap: await vault.prepareAnswers(answers, 'acme') };
    await subjects.enrol(randomUUID(), 'acme', subject, credentialOf(credential));
  };
  for (const subject of ['alice', 'bob']) await create(subject);

  /** A call id of null: the request names no call. */
  type Request = Omit<Partial<VerificationAdmitted>, 'callId'> & {
    replyKey?: unknown;
    newPin?: string;
    callId?: string | null;
  };
  const play = async (pin: string, more: Request = {}): Promise<Played> => {
    const { replyKey = createReplyKey(), newPin, callId = 'call-1', ...fields } = more;
    const secrets = fields.method === 'knowledge' ? { answers: pin === PIN ? ANSWERS : {} } : { pin };
    const { commandId, digest } = commandOfTest(hash, fields.commandId);
    const described = {
      repeatSeconds: 86_400,
      tenant: 'acme',
      agent: 'desk',
      channel: 'rest',
      method: 'pin',
      ...(callId === null ? {} : { callId }),
      subjectIsCaller: false,
      callerTail: '23',
      ...fields,
      ...namesOfTest(hash, fields),
      commandId,
    } as const;
    const identity = identityOfTest(fields, digest);
    const payload = { ...secrets, identity, replyKey, ...(newPin === undefined ? {} : { newPin }) };
    const sealed = await sealer.seal(payload, bindingOf(VerificationRequested, described));
    const command = message(VerificationAdmitted, { sealed, ...described });
    const { reply: decided } = await answerAttempt.answer(command);
    const receipt = decided.receipt === undefined ? undefined : openReply(decided.receipt, String(replyKey));
    return { decided, receipt };
  };
  const ask = async (receipt: string, more: Partial<ReceiptIntrospectionRequested> = {}) => {
    const asked = { commandId: randomUUID(), tenant: 'acme', agent: 'desk', consume: false, ...more };
    const sealed = await sealer.seal({ receipt }, bindingOf(ReceiptIntrospectionRequested, asked));
    return introspect.introspect(message(ReceiptIntrospectionRequested, { sealed, ...asked }));
  };
  const state = (callId = 'call-1', tenant = 'acme', agent = 'desk') =>
    calls.read(message(CallStateRequested, { tenant, agent, callId }));
  const erase = (subject: string, commandId: string = randomUUID()) =>
    erasure.erase(message(SubjectEraseRequested, { commandId, actor: TEST_ACTOR, tenant: 'acme', subject }));
  /** As an administrator does. */
  const setPin = (subject: string, pin: string, mustChange = false) =>
    enrolPin.enrol({ commandId: randomUUID(), tenant: 'acme', subject, pin, mustChange, by: 'administrator' });
  return {
    payloads: seals,
    play,
    ask,
    state,
    erase,
    create,
    setPin,
    clock,
    attempts,
    subjects,
    receipts,
    keys,
    policies,
    knowledge,
  };
}
