import { createHash, timingSafeEqual } from 'node:crypto';
import { runProcess } from '@countersign/runtime';
import { PinVault, type HashSlot } from '../apps/verification/src/credentials/credentials.ports.js';
import {
  type KnowledgeAnswers,
  type StoredCredential,
  type WrappedCredential,
} from '../apps/verification/src/credentials/credential.decision.js';
import { type CountedAttempt } from '../apps/verification/src/attempts/counted-attempt.decision.js';
import { start } from '../apps/verification/src/start.js';

/** The verification service with a hash that costs nothing, to measure everything else. Never use it for anything else. */
class InstantVault extends PinVault {
  override reserve(): HashSlot {
    return {
      compare: ({ granted }: CountedAttempt, submittedPin: string, credential: StoredCredential | undefined) =>
        Promise.resolve(
          granted && credential !== undefined && timingSafeEqual(digest(submittedPin), credential.wrapped),
        ),
      compareAnswers: (
        { granted }: CountedAttempt,
        submittedAnswers: KnowledgeAnswers,
        credential: StoredCredential | undefined,
      ) =>
        Promise.resolve(
          granted && credential !== undefined && timingSafeEqual(digestOf(submittedAnswers), credential.wrapped),
        ),
      release: () => undefined,
    };
  }

  override prepare(pin: string): Promise<() => WrappedCredential> {
    return Promise.resolve(() => ({ keyId: 'bench', wrapped: digest(pin) }));
  }

  override prepareAnswers(answers: KnowledgeAnswers): Promise<() => WrappedCredential> {
    return Promise.resolve(() => ({ keyId: 'bench', wrapped: digestOf(answers) }));
  }

  override prepareImported(): Promise<() => WrappedCredential> {
    return Promise.reject(new Error('nothing is imported here'));
  }

  override isInForce(): Promise<boolean> {
    return Promise.resolve(false);
  }

  override positionInHistory(pin: string, inForce: StoredCredential | undefined): Promise<number> {
    return Promise.resolve(inForce && timingSafeEqual(digest(pin), inForce.wrapped) ? 0 : -1);
  }
}

const digestOf = (answers: KnowledgeAnswers): Buffer => digest(JSON.stringify([...answers]));
const digest = (pin: string): Buffer => createHash('sha256').update(pin).digest();

await runProcess(process.env, (env, fatal) => start(env, fatal, { vault: new InstantVault() }));
