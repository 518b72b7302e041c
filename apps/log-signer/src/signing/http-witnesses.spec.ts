import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import {
  consistencyProof,
  cosign,
  createSignerKey,
  openCheckpoint,
  parseSignerKey,
  rootFromTiles,
  SIGNATURE_TYPES,
  signCheckpoint,
  verifyConsistency,
} from '@countersign/transparency-log';
import { KEY, GrowingLog } from '../../test/signing-bed.js';
import { HttpWitnesses } from './http-witnesses.js';
import { type SignedHead } from './signing.ports.js';

const witnessKey = parseSignerKey(createSignerKey('witness.example/w1', SIGNATURE_TYPES.cosignature));

/** A witness by c2sp.org/tlog-witness: verifies the signature of the log and the proof, and signs no second history. */
class WitnessServer {
  size = 0;
  root: Buffer = Buffer.alloc(0);
  requests = 0;
  /** An answer instead of that of the protocol. */
  answer: { readonly status: number; readonly body: string } | 'none' | undefined;
  readonly server: Server = createServer((request, response) => {
    this.requests++;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { status, body } =
        this.answer === 'none'
          ? { status: 0, body: '' }
          : (this.answer ?? this.#sign(Buffer.concat(chunks).toString()));
      if (status > 0) response.writeHead(status).end(body);
    });
  });

  #sign(body: string): { status: number; body: string } {
    const [, old = '', proof = '', note = ''] = /^old (\d+)\n((?:[^\n]+\n)*)\n(.*)$/s.exec(body) ?? [];
    const { size, root } = openCheckpoint(note, KEY.verifier);
    if (Number(old) !== this.size) return { status: 409, body: `${this.size}\n` };
    const hashes = proof
      .split('\n')
      .slice(0, -1)
      .map((line) => Buffer.from(line, 'base64'));
    if (this.size > 0 && !verifyConsistency(this.size, size, hashes, this.root, root)) return { status: 422, body: '' };
    [this.size, this.root] = [size, root];
    return { status: 200, body: cosign(note, witnessKey).split('\n').slice(-2).join('\n') };
  }
}

describe('a checkpoint with a witness', () => {
  const log = GrowingLog.ofSize(700);
  const failures: string[] = [];
  let witness: WitnessServer;
  let witnesses: HttpWitnesses;
  let now = 0;

  beforeEach(async () => {
    witness = new WitnessServer();
    await new Promise<void>((resolve) => witness.server.listen(0, '127.0.0.1', resolve));
    failures.length = 0;
    const url = `http://127.0.0.1:${(witness.server.address() as AddressInfo).port}/log`;
    witnesses = new HttpWitnesses([{ key: witnessKey.verifier, url }], (_name, error) => failures.push(error.message), {
      now: () => now,
      answerLimitMs: 300,
    });
  });
  afterEach(() => {
    witness.server.closeAllConnections();
    witness.server.close();
  });

  const headOf = async (size: number): Promise<SignedHead> => {
    const head = { size, root: await rootFromTiles(size, log) };
    return { ...head, note: signCheckpoint(head, KEY) };
  };
  const submit = async (size: number): Promise<string> =>
    witnesses.cosign(await headOf(size), (older) => consistencyProof(older, size, log));
  const signersOf = (note: string): string[] =>
    openCheckpoint(note, KEY.verifier, [witnessKey.verifier]).cosignatures.map(({ name }) => name);

  it('has its signature for every size, with a proof from the size that it has seen', async () => {
    for (const size of [1, 300, 300, 700]) expect(signersOf(await submit(size))).toEqual(['witness.example/w1']);
    expect([witness.size, witness.requests, failures]).toEqual([700, 4, []]);
  });

  it('has its signature after a restart, for which it is asked once more', async () => {
    [witness.size, witness.root] = [256, await rootFromTiles(256, log)];
    expect(signersOf(await submit(700))).toEqual(['witness.example/w1']);
    expect(witness.requests).toBe(2);
  });

  it.each([
    [
      'has signed more entries',
      { status: 409, body: '701\n' },
      'it has signed 701 entries already, and the log has 700',
    ],
    ['refuses', { status: 422, body: '' }, 'it answered with status 422'],
    ['repeats a conflict', { status: 409, body: '5\n' }, 'it answered with status 409'],
    ['redirects', { status: 302, body: '' }, 'it answered with status 302'],
    ['answers too much', { status: 200, body: 'x'.repeat(20_000) }, 'its answer is too long'],
    ['answers something else', { status: 200, body: 'ok\n' }, 'its answer has no signature of its key'],
    [
      'signs with another key',
      { status: 200, body: `— witness.example/w1 ${'A'.repeat(100)}\n` },
      'no known key has signed',
    ],
    ['does not answer', 'none', 'there is no answer (ABORT_ERR)'],
  ] as const)(
    'is published without it when the witness %s, and it is asked again a minute later',
    async (_what, answer, reason) => {
      witness.answer = answer;
      const { note } = await headOf(700);
      expect([await submit(700), failures]).toEqual([note, [reason]]);
      const { requests } = witness;
      now += 59_000;
      expect([await submit(700), witness.requests]).toEqual([note, requests]);
      now += 1_000;
      witness.answer = undefined;
      expect(signersOf(await submit(700))).toEqual(['witness.example/w1']);
    },
  );
});
