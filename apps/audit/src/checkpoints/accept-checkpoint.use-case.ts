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
import { type AcceptedCheckpoint, type Checkpoints } from './checkpoints.ports.js';

/** A checkpoint as it arrived: nothing in it has been verified. */
export interface ReceivedCheckpoint {
  /** Key of the record. */
  readonly origin: string;
  readonly note: Buffer;
}

/**
 * Enough for two signatures of the log and those of 14 witnesses. Lines of unknown keys are not verified, so whoever may write to
 * the topic can add them to a signed note. With 128 KiB of them, the entry `log.shard_started` would fit in no bundle.
 */
const MAX_NOTE_BYTES = 8 << 10;
/** Of a note without a time. With the time of the record, the same note could be sent again and again, a row each time. */
const UNTIMED = new Date('1970-01-01T00:00:00.000Z');

type SignedSize = Pick<AcceptedCheckpoint, 'size' | 'signedAt'>;

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
  async accept({ origin, note }: ReceivedCheckpoint): Promise<void> {
    const { head, epoch, signedAt = UNTIMED } = this.#open(origin, note);
    const newest = await this.checkpoints.newest();
    // A key that was replaced, perhaps because it was stolen, signs nothing beyond what a newer one has signed.
    if (newest !== undefined && isBeyond({ size: head.size, signedAt }, newest) && epoch > this.#epochOf(newest.note))
      throw refused(`an earlier key has signed ${head.size} entries, after a newer one has signed ${newest.size}`);
    const size = await this.checkpoints.size();
    if (head.size > size) {
      const text = `the log has ${size} entries, and ${head.size} are signed: if that lasts, the database was restored from a backup`;
      throw new ServiceError('CHECKPOINT_AHEAD', text, true);
    }
    if (!head.root.equals(await this.checkpoints.root(head.size)))
      throw refused(`its root is not that of the first ${head.size} entries of the log`);
    await this.checkpoints.store({ size: head.size, root: head.root, signedAt, note: note.toString() });
  }

  /** Which key has signed a stored note, 0 the current one; infinite when its key is not configured any more. */
  #epochOf(note: string): number {
    try {
      const { signatures } = openNote(note, this.keys);
      return Math.min(...signatures.map(({ key }) => this.keys.indexOf(key)));
    } catch (error) {
      if (error instanceof EvidenceError) return Infinity;
      throw error;
    }
  }

  /** @throws ServiceError CHECKPOINT_REFUSED */
  #open(origin: string, note: Buffer): { readonly head: Checkpoint; readonly epoch: number; readonly signedAt?: Date } {
    try {
      if (note.length > MAX_NOTE_BYTES) throw new EvidenceError(`it has more than ${MAX_NOTE_BYTES} bytes`);
      const { text, signatures } = openNote(note, this.#known);
      // A cosignature alone is no checkpoint of the log: its key type is that of a witness.
      const signed = signatures.filter(({ key }) => key.type === SIGNATURE_TYPES.ed25519);
      if (signed.length === 0) throw new EvidenceError('the log has not signed');
      const head = parseCheckpoint(text);
      if (head.origin !== this.keys[0]?.name || origin !== head.origin)
        throw new EvidenceError('it is a checkpoint of another log');
      const seconds = signatures.find(({ time }) => time !== undefined)?.time;
      // 0 is the current key. A note that two keys have signed counts as one of the newer key.
      const epoch = Math.min(...signed.map(({ key }) => this.keys.indexOf(key)));
      return { head, epoch, ...(seconds !== undefined && { signedAt: new Date(seconds * 1_000) }) };
    } catch (error) {
      if (error instanceof EvidenceError) throw refused(error.message);
      throw error;
    }
  }
}

/** By size, and at the same size by time: a later time would otherwise make the note of an earlier key the newest one. */
function isBeyond(one: SignedSize, other: SignedSize): boolean {
  return one.size > other.size || (one.size === other.size && one.signedAt > other.signedAt);
}

function refused(reason: string): ServiceError {
  return new ServiceError('CHECKPOINT_REFUSED', `a checkpoint is refused: ${reason}`, false);
}
