import {
  createSignerKey,
  EMPTY_ROOT,
  EvidenceError,
  leafHash,
  openCheckpoint,
  parseSignerKey,
  TiledTree,
  timedKeyOf,
} from '@countersign/transparency-log';
import { type ConsumedRecord } from '@countersign/messaging';
import { BusCheckpoints } from '../src/signing/bus-checkpoints.js';
import { SignCheckpoint } from '../src/signing/sign-checkpoint.use-case.js';
import {
  type CheckpointTopic,
  LogReader,
  type SignerState,
  type Witnesses,
  type SignedHead,
  type TileName,
  type TreeHead,
} from '../src/signing/signing.ports.js';

export const ORIGIN = 'log.example/audit';
export const KEY_TEXT = createSignerKey(ORIGIN);
export const KEY = parseSignerKey(KEY_TEXT);

/** A log in memory that a test can grow, cut off and change. */
export class GrowingLog extends LogReader {
  readonly #tiles = new Map<string, Buffer>();
  #tree = TiledTree.empty();

  constructor(leaves: readonly string[] = []) {
    super();
    this.append(leaves);
  }

  static ofSize(size: number, text = 'entry'): GrowingLog {
    return new GrowingLog(Array.from({ length: size }, (_, at) => `${text} ${at}`));
  }

  append(entries: readonly string[]): void {
    for (const { level, index, data } of this.#tree.append(entries.map((entry) => leafHash(Buffer.from(entry)))))
      this.#tiles.set(`${level}/${index}`, data);
  }

  changeTile(level: number, index: number, change: (data: Buffer) => Buffer): void {
    this.#tiles.set(`${level}/${index}`, change(Buffer.from(this.#tiles.get(`${level}/${index}`)!)));
  }

  override head(): Promise<TreeHead> {
    const { size } = this.#tree;
    return Promise.resolve({ size, root: size === 0 ? EMPTY_ROOT : this.#tree.root() });
  }

  override readTile({ level, index }: TileName): Promise<Buffer> {
    const data = this.#tiles.get(`${level}/${index}`);
    return data === undefined ? Promise.reject(new EvidenceError('the tile is missing')) : Promise.resolve(data);
  }
}

function recordOf(topic: string, note: string, offset: number): ConsumedRecord {
  const record = { topic, key: ORIGIN, value: Buffer.from(note), headers: {} };
  return { ...record, partition: 0, offset: String(offset), timestamp: 0 };
}

/** A state and a topic that outlive the signers of a test. `steps` names what was done, in order. */
export class SigningBed {
  readonly steps: string[] = [];
  readonly published: string[] = [];
  stored: SignedHead | undefined;
  /** Makes the next step fail, as a kill before it would. */
  failAt: 'write' | 'publish' | undefined;
  signer!: SignCheckpoint;

  constructor(public log: GrowingLog) {}

  /** A new process of the signer. */
  async start(key = KEY): Promise<SignCheckpoint> {
    const readNewest = (topic: string): Promise<ConsumedRecord[]> =>
      Promise.resolve(this.published.map((note, at) => recordOf(topic, note, at)));
    const onBus = new BusCheckpoints({ readNewest, send: () => Promise.resolve() }, key.verifier);
    const state: SignerState = {
      read: () => Promise.resolve(this.stored),
      write: async (head) => {
        await this.#step('write', head);
        this.stored = head;
      },
    };
    const topic: CheckpointTopic = {
      last: () => onBus.last(),
      publish: async (note) => {
        await this.#step('publish', openCheckpoint(note, key.verifier));
        this.published.push(note);
      },
    };
    const witnesses: Witnesses = { cosign: ({ note }) => Promise.resolve(note) };
    this.signer = new SignCheckpoint({ log: this.log, state, topic, witnesses }, key);
    await this.signer.restore();
    return this.signer;
  }

  sizes(): number[] {
    return this.published.map((note) => openCheckpoint(note, KEY.verifier, [timedKeyOf(KEY.verifier)]).size);
  }

  #step(name: 'write' | 'publish', { size }: TreeHead): Promise<void> {
    if (this.failAt === name) return Promise.reject(new Error('killed'));
    this.steps.push(`${name} ${size}`);
    return Promise.resolve();
  }
}
