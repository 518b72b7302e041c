import { randomBytes, randomUUID } from 'node:crypto';
import {
  bindingOf,
  KnowledgeChangeRequested,
  message,
  PinChangeRequested,
  SubjectChangeRequested,
  SubjectStateRequested,
  VerificationAdmitted,
  VerificationRequested,
  type AttemptPolicy,
  type CommandAnswered,
  type KnowledgePolicy,
  type MessageClass,
  type KnowledgeQuestion,
  type SealedIdentity,
  type SignalPolicy,
  type VerificationDecided,
} from '@countersign/contracts';
import {
  createReceiptKeys,
  createSealingKeys,
  digestOf,
  KeyedHash,
  Keyring,
  PayloadSealer,
  Secret,
  PayloadOpener,
  ReceiptKeys,
} from '@countersign/crypto';
import { ManualClock, TEST_ACTOR } from '@countersign/testing';
import { CallPolicies } from '../src/calls/calls.ports.js';
import { type CallPolicy } from '../src/calls/call-state.decision.js';
import { AttemptPolicies } from '../src/attempts/attempts.ports.js';
import { KnowledgePolicies } from '../src/knowledge/knowledge.ports.js';
import { ChangeOwnPin } from '../src/credentials/change-own-pin.use-case.js';
import { AnswerAttempt } from '../src/attempts/answer-attempt.use-case.js';
import { DecideAttempt } from '../src/attempts/decide-attempt.use-case.js';
import { EnrolKnowledge } from '../src/knowledge/enrol-knowledge.use-case.js';
import { EnrolPin } from '../src/credentials/enrol-pin.use-case.js';
import { ManageSubject } from '../src/subjects/manage-subject.use-case.js';
import { IssueReceipt } from '../src/receipts/issue-receipt.use-case.js';
import { CommandOpener } from '../src/attempts/open-command.js';
import { FakeAttemptGate } from './attempt-gate.fake.js';
import { ArgonPinVault } from '../src/credentials/pin-vault.store.js';
import { JweSealedPayloads } from '../src/attempts/sealed-payload.store.js';
import { FakeSubjectStore } from './subject-store.fake.js';
import { FakeVerificationRecords } from './verification-records.fake.js';
import { SprayDetector } from '../src/abuse/spray-detector.js';
import { Successes } from '../src/calls/successes.js';

export const PIN = '83729164';
export const OTHER = '19283746';
export const PHONE = '+12025550123';
export const POLICY = { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 };
export const QUESTIONS: KnowledgeQuestion[] = [
  { name: 'last_four_ssn', description: 'Last four digits', kind: 'digits', length: 4 },
  { name: 'zip_code', description: 'ZIP code', kind: 'zip' },
];
/** The cheapest argon2 allows: these tests are about decisions, not about cost. */
const COST = { memoryKib: 8, passes: 1, lanes: 1 };

/** A policy of the agent `desk` of the tenant `acme`, and of nobody else. */
class OneAgent extends AttemptPolicies {
  discloses = false;
  policy: AttemptPolicy = POLICY;

  override hasTenant(tenant: string): boolean {
    return tenant === 'acme';
  }

  override of(tenant: string, agent: string): AttemptPolicy | undefined {
    return tenant === 'acme' && agent === 'desk' ? this.policy : undefined;
  }

  override longestWindow(): number {
    return this.policy.windowSeconds;
  }

  override discloseUnknown(): boolean {
    return this.discloses;
  }
}

/** The same policy for every agent of every tenant. */
export class EveryAgent extends AttemptPolicies {
  override hasTenant(): boolean {
    return true;
  }

  override of(): AttemptPolicy {
    return POLICY;
  }

  override longestWindow(): number {
    return POLICY.windowSeconds;
  }

  override discloseUnknown(): boolean {
    return false;
  }
}

export const CALL_POLICY: CallPolicy = {
  agentCreatedAt: '2026-11-01T08:00:00.000Z',
  verifiedSeconds: 900,
  endVerificationOnChange: true,
  trustsCallsOf: [],
  waiver: undefined,
};

/** The defaults for every agent of every tenant, but for those that a test names. */
export class CallPoliciesOfTest extends CallPolicies {
  readonly changed = new Map<string, Partial<CallPolicy>>();

  override of(_tenant: string, agent: string): CallPolicy {
    return { ...CALL_POLICY, ...this.changed.get(agent) };
  }
}

export class OneKnowledge extends KnowledgePolicies {
  policy: KnowledgePolicy = { questions: QUESTIONS };
  /** What other agents of the tenant ask. */
  ofOthers: readonly (readonly KnowledgeQuestion[])[] = [];

  override of(): KnowledgePolicy {
    return this.policy;
  }

  override questions(): ReadonlyMap<string, KnowledgeQuestion> {
    return new Map(this.questionSets().flatMap((asked) => asked.map((question) => [question.name, question] as const)));
  }

  override questionSets(): readonly (readonly KnowledgeQuestion[])[] {
    return [this.policy.questions, ...this.ofOthers];
  }
}

/** What a test says of a guess: the caller, and the subject of the kind `phone`, as digests. */
type Said = Partial<Pick<VerificationAdmitted, 'commandId' | 'subjectKind' | 'subjectRef' | 'callerKey'>>;

const ANY_CALLER = 'c'.repeat(64);

/** The names of a guess, as an adapter gives them. */
export function namesOfTest(hash: KeyedHash, said: Said) {
  const { subjectKind = 'id', subjectRef = 'alice' } = said;
  const callerKey = 'callerKey' in said ? said.callerKey : ANY_CALLER;
  return {
    subjectKind,
    subjectRef: subjectKind === 'id' ? subjectRef : hash.hashDigest(subjectRef),
    ...(callerKey === undefined ? {} : { callerKey: hash.hashDigest(callerKey) }),
    keyId: hash.singleKeys[0]?.keyId ?? '',
    alsoNamed: [],
  };
}

/** Words of commands by their ids, so that a test can send a command again by its id. */
const words = new Map<string, string>();

/** The id of a command as an adapter names it, and the digest that it seals. @param word equal for a repetition; or an id from here */
export function commandOfTest(hash: KeyedHash, word: string = randomUUID()): { commandId: string; digest: string } {
  const known = words.get(word) ?? word;
  const digest = digestOf('request', known);
  const commandId = `test-${hash.hashDigest(digest)}`;
  words.set(commandId, known);
  return { commandId, digest };
}

/** What an adapter seals of them. */
export function identityOfTest(said: Said, command: string): SealedIdentity {
  const { subjectKind = 'id', subjectRef = 'alice' } = said;
  const caller = 'callerKey' in said ? said.callerKey : ANY_CALLER;
  return {
    command,
    ...(subjectKind === 'id' ? {} : { subject: subjectRef }),
    ...(caller === undefined ? {} : { caller }),
  };
}

const key = (): Secret => new Secret(randomBytes(32).toString('base64url'));

type Guess = Partial<VerificationAdmitted>;

/** The use cases over stores in memory, with real seals and real hashes, asked as the adapters ask. */
export class VerificationTestBed {
  readonly clock = new ManualClock();
  /** Of IDENTIFIER_KEY. */
  readonly hash = new KeyedHash(new Secret(`${key().reveal()},${key().reveal()}`));
  /** Of the tables. */
  readonly names = new KeyedHash(key());
  readonly attempts = new FakeAttemptGate(this.clock, async ({ tenant, subject, kind, version }) => {
    const { credential } = await this.subjects.find(tenant, 'id', subject, kind);
    return credential?.version === version;
  });
  readonly subjects: FakeSubjectStore = new FakeSubjectStore(this.names, this.attempts);
  readonly knowledge = new OneKnowledge();
  readonly policies = new OneAgent();
  readonly calls = new CallPoliciesOfTest();
  /** Thresholds of the spray detector; absent ones have their defaults. */
  signalPolicy: SignalPolicy = {};
  readonly sprays = new SprayDetector(() => this.signalPolicy, this.clock);
  readonly answerAttempt: AnswerAttempt;
  readonly manage: ManageSubject;
  readonly openCommand: CommandOpener;

  private constructor(
    readonly vault: ArgonPinVault,
    readonly sealer: PayloadSealer,
    seals: JweSealedPayloads,
  ) {
    const enrolPin = new EnrolPin(this.subjects, vault);
    this.openCommand = new CommandOpener(seals, this.names, this.hash);
    const enrolKnowledge = new EnrolKnowledge(this.subjects, vault, this.knowledge);
    this.manage = new ManageSubject(this.subjects, seals, enrolPin, enrolKnowledge, this.policies);
    const records = new FakeVerificationRecords(this.attempts, this.subjects, this.clock);
    const decideAttempt = new DecideAttempt(
      this.subjects,
      this.attempts,
      vault,
      this.policies,
      this.knowledge,
      new Successes(records, this.calls),
      this.sprays,
      this.hash,
    );
    const receiptKeys = ReceiptKeys.fromKeySet(new Secret(createReceiptKeys('r1')));
    this.answerAttempt = new AnswerAttempt(
      this.openCommand,
      decideAttempt,
      new ChangeOwnPin(decideAttempt, this.subjects, enrolPin),
      new IssueReceipt(receiptKeys, { issuer: 'https://verify.example.com', seconds: 300 }),
      this.attempts,
    );
  }

  static async open(queueLimit = 100): Promise<VerificationTestBed> {
    const keys = await createSealingKeys('s1');
    const seals = new JweSealedPayloads(await PayloadOpener.fromKeySet(new Secret(keys.privateKeys)));
    const keyring = new Keyring(new Secret(`k1:${key().reveal()}`));
    const vault = await ArgonPinVault.open({ keyring, cost: COST, concurrency: 2, queueLimit });
    return new VerificationTestBed(vault, await PayloadSealer.fromKeySet(keys.publicKeys), seals);
  }

  /**
   * @param more the caller, and the subject of the kind `phone`, as digests
   * @param newPin that takes the place of the guessed one
   * @param under the adapter's IDENTIFIER_KEY
   * @param replies what the payload says of the reply
   */
  readonly command = async (
    secret: unknown,
    more: Guess = {},
    newPin?: unknown,
    under = this.hash,
    replies: { readonly replyKey?: unknown; readonly acceptsMac?: unknown } = {},
  ): Promise<VerificationAdmitted> => {
    const { method = 'pin' } = more;
    const { commandId, digest } = commandOfTest(under, more.commandId);
    const described = {
      repeatSeconds: 60,
      tenant: 'acme',
      agent: 'desk',
      channel: 'swaig',
      method,
      subjectIsCaller: false,
      callerTail: '23',
      ...more,
      ...namesOfTest(under, more),
      commandId,
    } as const;
    const identity = identityOfTest(more, digest);
    const submitted = method === 'pin' ? { pin: secret, newPin } : { answers: secret, newPin };
    const payload = { ...submitted, identity, ...replies };
    const sealed = await this.sealer.seal(payload, bindingOf(VerificationRequested, described));
    return message(VerificationAdmitted, { sealed, ...described });
  };

  /** The fingerprint that the service computes of a command, and its id in the tables. */
  readonly countedAs = async (command: VerificationAdmitted): Promise<{ fingerprint: string; commandId: string }> => {
    const opened = await this.openCommand.open(command);
    return { fingerprint: opened?.fingerprint ?? '', commandId: opened?.stored.commandId ?? '' };
  };

  readonly decide = async (command: VerificationAdmitted): Promise<VerificationDecided> =>
    (await this.answerAttempt.answer(command)).reply;

  readonly guess = async (pin: unknown, more: Guess = {}): Promise<VerificationDecided> =>
    this.decide(await this.command(pin, more));

  readonly answer = async (answers: unknown, more: Guess = {}): Promise<VerificationDecided> =>
    this.guess(answers, { ...more, method: 'knowledge' });

  readonly changePin = async (pin: unknown, newPin: unknown, more: Guess = {}): Promise<VerificationDecided> =>
    this.decide(await this.command(pin, more, newPin));

  readonly change = async (
    subject: string,
    profile: Record<string, unknown>,
    mustExist = false,
  ): Promise<CommandAnswered> => {
    const command = { commandId: randomUUID(), actor: TEST_ACTOR, tenant: 'acme', subject, mustExist };
    const sealed = await this.sealer.seal(profile, bindingOf(SubjectChangeRequested, command));
    return this.manage.change(message(SubjectChangeRequested, { ...command, sealed }));
  };

  readonly enrol = async (subject: string, pin: unknown, forceChange?: boolean): Promise<CommandAnswered> =>
    this.manage.enrol(
      message(PinChangeRequested, await this.#sealed(PinChangeRequested, subject, { pin, forceChange })),
    );

  readonly enrolAnswers = async (subject: string, answers: unknown): Promise<CommandAnswered> =>
    this.manage.enrolAnswers(
      message(KnowledgeChangeRequested, await this.#sealed(KnowledgeChangeRequested, subject, { answers })),
    );

  readonly state = (subject: string): Promise<CommandAnswered> =>
    this.manage.state(
      message(SubjectStateRequested, { commandId: randomUUID(), actor: TEST_ACTOR, tenant: 'acme', subject }),
    );

  async #sealed(type: MessageClass, subject: string, payload: Record<string, unknown>) {
    const target = { commandId: randomUUID(), actor: TEST_ACTOR, tenant: 'acme', subject };
    return { ...target, sealed: await this.sealer.seal(payload, bindingOf(type, target)) };
  }
}
