import { Problem, shownLimit } from '@countersign/api';
import { type Conflict, type VerificationDecided } from '@countersign/contracts';
import { type Verification } from './verifications.dto.js';

/**
 * The answer to an attempt. A refused one reveals nothing about the subject.
 * @param tellAttemptsLeft of the agent's policy
 */
export function verificationOf(decided: VerificationDecided, tellAttemptsLeft: boolean): Verification {
  const { verificationId, outcome, level, attemptsLeft, retryAfterSeconds, receipt } = decided;
  const { mustChangePin, pinChanged } = decided;
  const limitedBy = shownLimit(decided.limitedBy);
  return {
    ...(verificationId === undefined ? {} : { verificationId }),
    outcome: shown(outcome),
    level,
    ...(attemptsLeft === undefined || !tellAttemptsLeft ? {} : { attemptsLeft }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(limitedBy === undefined ? {} : { limitedBy }),
    ...(receipt === undefined ? {} : { receipt }),
    ...(mustChangePin === true ? { mustChangePin } : {}),
    ...(pinChanged === true ? { pinChanged } : {}),
  };
}

/** Locked, disabled and a used-up window look the same: the difference would show a guesser the progress. */
function shown(outcome: VerificationDecided['outcome']): VerificationDecided['outcome'] {
  return outcome === 'disabled' ? 'locked' : outcome;
}

/** The problem of a request under an Idempotency-Key that was used before. */
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
