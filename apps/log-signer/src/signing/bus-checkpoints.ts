import { TOPICS } from '@countersign/contracts';
import { type Broker } from '@countersign/messaging';
import { EvidenceError, openCheckpoint, type VerifierKey } from '@countersign/transparency-log';
import { CheckpointTopic, type SignedHead } from './signing.ports.js';

/** Logs that had another origin before can have records after the last one of this log. */
const READ_RECORDS = 100;

/** Checkpoints on the topic `countersign.audit.checkpoints`: the key is the origin, the value the signed note. */
export class BusCheckpoints extends CheckpointTopic {
  constructor(
    private readonly broker: Pick<Broker, 'send' | 'readNewest'>,
    private readonly key: VerifierKey,
  ) {
    super();
  }

  override async last(): Promise<SignedHead | undefined> {
    const records = await this.broker.readNewest(TOPICS.auditCheckpoints.name, READ_RECORDS);
    let largest: SignedHead | undefined;
    let fault: EvidenceError | undefined;
    for (const { value } of records.filter(({ key }) => key === this.key.name)) {
      const head = this.#open(value);
      if (head instanceof EvidenceError) fault = head;
      // Others who can write to the topic must not hide the largest behind other bytes, or behind a copy of an older one.
      else if (largest === undefined || head.size >= largest.size) largest = head;
    }
    if (largest !== undefined) return largest;
    if (fault !== undefined) throw fault;
    if (records.length === READ_RECORDS) throw new EvidenceError(`its last ${READ_RECORDS} records are of other logs`);
    return undefined;
  }

  #open(value: Buffer): SignedHead | EvidenceError {
    try {
      return { ...openCheckpoint(value, this.key), note: value.toString() };
    } catch (error) {
      if (error instanceof EvidenceError) return error;
      throw error;
    }
  }

  override publish(note: string): Promise<void> {
    const topic = TOPICS.auditCheckpoints.name;
    return this.broker.send([{ topic, key: this.key.name, value: Buffer.from(note), headers: {} }]);
  }
}
