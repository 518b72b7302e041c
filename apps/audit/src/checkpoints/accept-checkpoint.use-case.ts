import { ServiceError } from '@countersign/runtime';
import {
  EvidenceError,
  openNote,
  parseCheckpoint,
  SIGNATURE_TYPES,
  timedKeyOf,
  type Checkpoint,
  type VerifierKey,
} from '@countersign/transparency-log';
import { type Checkpoints } from './checkpoints.ports.js';

/** A checkpoint as it arrived: nothing in it has been verified. */
export interface ReceivedCheckpoint {
  /** Key of the record. */
  readonly origin: string;
  readonly note: Buffer;
  /** When the record was written. */
  readonly receivedAt: Date;
}

/** Accepts what the log has signed, when it agrees with the stored tree. */
export class AcceptCheckpoint {
  readonly #known: readonly VerifierKey[];

  /** @param keys of the signer of this log, at least one; all have the same name, the origin */
  constructor(
    private readonly checkpoints: Checkpoints,
    private readonly keys: readonly VerifierKey[],
  ) {
    this.#known = keys.flatMap((key) => [key, timedKeyOf(key)]);
  }

  /**
   * Verifies and stores a checkpoint.
   * @throws ServiceError CHECKPOINT_REFUSED when it does not verify or contradicts the tree; CHECKPOINT_AHEAD, retriable, when
   * the log has fewer entries
   */
  async accept({ origin, note, receivedAt }: ReceivedCheckpoint): Promise<void> {
    const { head, signedAt = receivedAt } = this.#open(origin, note);
    const size = await this.checkpoints.size();
    if (head.size > size) {
      const text = `the log has ${size} entries, and ${head.size} are signed: if that lasts, the database was restored from a backup`;
      throw new ServiceError('CHECKPOINT_AHEAD', text, true);
    }
    if (!head.root.equals(await this.checkpoints.root(head.size)))
      throw refused(`its root is not that of the first ${head.size} entries of the log`);
    await this.checkpoints.store({ size: head.size, root: head.root, signedAt, note: note.toString() });
  }

  /** @throws ServiceError CHECKPOINT_REFUSED */
  #open(origin: string, note: Buffer): { readonly head: Checkpoint; readonly signedAt?: Date } {
    try {
      const { text, signatures } = openNote(note, this.#known);
      // A cosignature alone is no checkpoint of the log: its key type is that of a witness.
      if (!signatures.some(({ key }) => key.type === SIGNATURE_TYPES.ed25519))
        throw new EvidenceError('the log has not signed');
      const head = parseCheckpoint(text);
      if (head.origin !== this.keys[0]?.name || origin !== head.origin)
        throw new EvidenceError('it is a checkpoint of another log');
      const seconds = signatures.find(({ time }) => time !== undefined)?.time;
      return { head, ...(seconds !== undefined && { signedAt: new Date(seconds * 1_000) }) };
    } catch (error) {
      if (error instanceof EvidenceError) throw refused(error.message);
      throw error;
    }
  }
}

function refused(reason: string): ServiceError {
  return new ServiceError('CHECKPOINT_REFUSED', `a checkpoint is refused: ${reason}`, false);
}
