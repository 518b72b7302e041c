import { type Conflict, type VerificationDecided } from '@countersign/contracts';
import { Problem } from '../http/problems.js';

/** What the asker learns: a refused guess tells nothing about the subject. */
export interface VerificationAnswer {
  readonly verificationId?: string;
  readonly outcome: VerificationDecided['outcome'];
  readonly level: VerificationDecided['level'];
  readonly attemptsLeft?: number;
  readonly retryAfterSeconds?: number;
  /** Only after a success. */
  readonly receipt?: string;
  readonly mustChangePin?: true;
  readonly pinChanged?: true;
}

/** @param tellAttemptsLeft what the agent's policy says of it */
export function answerOf(decided: VerificationDecided, tellAttemptsLeft: boolean): VerificationAnswer {
  const { verificationId, outcome, level, attemptsLeft, retryAfterSeconds, receipt } = decided;
  const { mustChangePin, pinChanged } = decided;
  return {
    ...(verificationId === undefined ? {} : { verificationId }),
    outcome: shown(outcome),
    level,
    ...(attemptsLeft === undefined || !tellAttemptsLeft ? {} : { attemptsLeft }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(receipt === undefined ? {} : { receipt }),
    ...(mustChangePin === true ? { mustChangePin } : {}),
    ...(pinChanged === true ? { pinChanged } : {}),
  };
}

/** One answer for locked, disabled and spent: which of them it is would tell a guesser how far he got. */
function shown(outcome: VerificationDecided['outcome']): VerificationDecided['outcome'] {
  return outcome === 'disabled' ? 'locked' : outcome;
}

/** What is answered where the same key came before. */
export function conflictProblem(conflict: Conflict): Problem {
  switch (conflict) {
    case 'mismatch':
      return new Problem('idempotency-mismatch');
    case 'ended':
      return new Problem('verification-ended');
    case 'in_flight':
      return new Problem('idempotency-in-flight');
  }
}
