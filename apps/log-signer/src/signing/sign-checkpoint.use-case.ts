import {
  consistencyProof,
  cosign,
  EvidenceError,
  rootFromTiles,
  signCheckpoint,
  timedKeyOf,
  verifyConsistency,
  type SignerKey,
} from '@countersign/transparency-log';
import { settingsInvalid } from '@countersign/runtime';
import { LogRefused } from './refusal.js';
import {
  type CheckpointTopic,
  type LogReader,
  type SignedHead,
  type SignerState,
  type TreeHead,
  type Witnesses,
} from './signing.ports.js';

/** What the use case needs from outside. */
export interface SigningPorts {
  readonly log: LogReader;
  readonly state: SignerState;
  readonly witnesses: Witnesses;
  readonly topic: CheckpointTopic;
}

/** Signs the head of the log when it continues what was signed last, and publishes the checkpoint. One call at a time. */
export class SignCheckpoint {
  #last: SignedHead | undefined;
  /** A signed note that may not be on the topic yet. */
  #unpublished: string | undefined;
  #publishing: Promise<void> | undefined;

  constructor(
    private readonly ports: SigningPorts,
    private readonly key: SignerKey,
  ) {}

  /** What was signed last. */
  get last(): TreeHead | undefined {
    return this.#last;
  }

  /**
   * Finds what was signed last, in the state and on the topic. The next `sign` publishes a stored note that the topic lacks.
   * Call it once, before `sign`.
   * @throws ServiceError SETTINGS_INVALID when the two contradict each other, or the topic has the checkpoints of another key
   */
  async restore(): Promise<void> {
    const { state, topic } = this.ports;
    const stored = await state.read();
    const published = await topic.last().catch((error: unknown) => {
      if (!(error instanceof EvidenceError)) throw error;
      // Otherwise anybody with the right to write to the topic could stop a signer that has its state.
      if (stored !== undefined) return undefined;
      throw settingsInvalid([
        `LOG_SIGNER_STATE must exist: the topic has checkpoints that LOG_SIGNING_KEY has not signed (${error.message})`,
      ]);
    });
    if (published !== undefined && (stored === undefined || published.size > stored.size)) {
      this.#last = published;
      // A broker that fails can lose the last records; without this write, the signer would then accept an older log.
      return state.write(published);
    }
    if (stored === undefined) return;
    if (published?.size === stored.size && !published.root.equals(stored.root)) {
      const rule = `must be the state of this log: at ${stored.size} entries, the topic has a checkpoint with another root`;
      throw settingsInvalid([`LOG_SIGNER_STATE ${rule}`]);
    }
    this.#last = stored;
    if (published?.note.startsWith(stored.note) !== true) this.#unpublished = stored.note;
  }

  /**
   * @param isDue signs also when the log has not grown
   * @returns whether a checkpoint was published
   * @throws LogRefused, ServiceError
   */
  async sign(isDue: boolean): Promise<boolean> {
    const { log, state, witnesses } = this.ports;
    // Not awaited before the check: the last checkpoint must be published even when the log is refused.
    const published = this.#publish();
    published.catch(() => undefined);
    // Another copy that uses this state by mistake binds this one too. Otherwise each could sign a history of its own.
    const stored = await state.read();
    const other = stored?.note === this.#last?.note ? undefined : stored;
    const last = other !== undefined && other.size > (this.#last?.size ?? 0) ? other : this.#last;
    const head = await log.head();
    const isUnchanged = last === undefined ? head.size === 0 : last.size === head.size && last.root.equals(head.root);
    if (!isUnchanged || (isDue && head.size > 0)) {
      await this.#check(this.#last, head);
      if (other !== undefined) await this.#check(other, head);
    }
    // Awaited before the next note, so checkpoints are published in the order of signing. An empty log is not signed.
    await published;
    if (head.size === 0 || (isUnchanged && !isDue)) return false;
    // The second signature states the time, so a repeated checkpoint shows that nothing was added until then.
    const timed = { ...this.key, verifier: timedKeyOf(this.key.verifier) };
    const signed = { ...head, note: cosign(signCheckpoint(head, this.key), timed) };
    // Before the note leaves: after a kill, the signer must not sign another tree of this size.
    await state.write(signed);
    this.#last = signed;
    this.#unpublished = signed.note;
    const proofFrom = (older: number): Promise<Buffer[]> => consistencyProof(older, head.size, log);
    this.#unpublished = await witnesses.cosign(signed, proofFrom);
    await this.#publish();
    return true;
  }

  #publish(): Promise<void> {
    const note = this.#unpublished;
    if (note === undefined) return Promise.resolve();
    this.#publishing ??= this.ports.topic
      .publish(note)
      .then(() => void (this.#unpublished = undefined))
      .finally(() => (this.#publishing = undefined));
    return this.#publishing;
  }

  async #check(last: TreeHead | undefined, head: TreeHead): Promise<void> {
    const sizes = { size: head.size, ...(last && { signedSize: last.size }) };
    const refuse = (kind: LogRefused['kind'], reason: string): never => {
      throw new LogRefused(kind, reason, sizes);
    };
    if (last !== undefined && head.size < last.size)
      refuse('rollback', `the log has ${head.size} entries, and ${last.size} were signed`);
    if (last?.size === head.size && !last.root.equals(head.root))
      refuse('fork', `at ${head.size} entries, the log has another root than the signed one`);
    try {
      if (!(await rootFromTiles(head.size, this.ports.log)).equals(head.root))
        refuse('damaged', `the tiles do not lead to the root of the ${head.size} entries`);
      if (last === undefined || last.size === 0 || last.size === head.size) return;
      const proof = await consistencyProof(last.size, head.size, this.ports.log);
      if (!verifyConsistency(last.size, head.size, proof, last.root, head.root))
        refuse('fork', `the log of ${head.size} entries does not continue the signed one of ${last.size}`);
    } catch (error) {
      if (error instanceof EvidenceError) refuse('damaged', error.message);
      throw error;
    }
  }
}
