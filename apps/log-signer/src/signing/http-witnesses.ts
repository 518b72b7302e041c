import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { ServiceError } from '@countersign/runtime';
import { openNote, type VerifierKey } from '@countersign/transparency-log';
import { Witnesses, type ProofFrom, type SignedHead } from './signing.ports.js';

/** One witness by settings. */
export interface Witness {
  readonly key: VerifierKey;
  /** Submission prefix; `/add-checkpoint` is appended. */
  readonly url: string;
}

const ANSWER_LIMIT_MS = 2_000;
const MAX_ANSWER_BYTES = 16 << 10;
/** How long a witness that has failed is skipped, in milliseconds. */
const LEFT_OUT_MS = 60_000;

/** Witnesses over HTTP, by the protocol c2sp.org/tlog-witness. In parallel, so the slowest one bounds the delay. */
export class HttpWitnesses extends Witnesses {
  /** The size that each witness cosigned last. A wrong value costs one more request. */
  readonly #sizes = new Map<Witness, number>();
  readonly #leftOutUntil = new Map<Witness, number>();

  constructor(
    private readonly witnesses: readonly Witness[],
    private readonly onFailure: (witness: string, error: Error) => void,
    private readonly options = { now: () => performance.now(), answerLimitMs: ANSWER_LIMIT_MS },
  ) {
    super();
  }

  override async cosign(head: SignedHead, proofFrom: ProofFrom): Promise<string> {
    const lines = await Promise.all(this.witnesses.map((witness) => this.#lineOf(witness, head, proofFrom)));
    return `${head.note}${lines.join('')}`;
  }

  /** The signature line of a witness; empty without one. */
  async #lineOf(witness: Witness, head: SignedHead, proofFrom: ProofFrom): Promise<string> {
    if (this.options.now() < (this.#leftOutUntil.get(witness) ?? 0)) return '';
    try {
      return await this.#ask(witness, head, proofFrom);
    } catch (error) {
      this.#leftOutUntil.set(witness, this.options.now() + LEFT_OUT_MS);
      this.onFailure(witness.key.name, error as Error);
      return '';
    }
  }

  async #ask(witness: Witness, head: SignedHead, proofFrom: ProofFrom, isRetry = false): Promise<string> {
    const { size, note } = head;
    const older = this.#sizes.get(witness) ?? 0;
    const hashes = older === 0 || older === size ? [] : await proofFrom(older);
    const proof = hashes.map((hash) => `${hash.toString('base64')}\n`).join('');
    const answer = await post(
      `${witness.url}/add-checkpoint`,
      `old ${older}\n${proof}\n${note}`,
      this.options.answerLimitMs,
    );
    // By the protocol, 409 has the size that the witness cosigned last.
    if (answer.status === 409 && !isRetry && /^(0|[1-9]\d{0,15})\n?$/.test(answer.body)) {
      const known = Number(answer.body);
      if (known > size) throw unavailable(`it has signed ${known} entries already, and the log has ${size}`);
      this.#sizes.set(witness, known);
      return this.#ask(witness, head, proofFrom, true);
    }
    if (answer.status !== 200) throw unavailable(`it answered with status ${answer.status}`);
    const line = answer.body.split('\n').find((one) => one.startsWith(`— ${witness.key.name} `));
    if (line === undefined) throw unavailable('its answer has no signature of its key');
    // Throws when the signature is wrong.
    openNote(`${note}${line}\n`, [witness.key]);
    this.#sizes.set(witness, size);
    return `${line}\n`;
  }
}

function unavailable(reason: string, cause?: unknown): ServiceError {
  return new ServiceError('WITNESS_UNAVAILABLE', reason, true, cause);
}

function post(url: string, body: string, limitMs: number): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException): void =>
      reject(error instanceof ServiceError ? error : unavailable(`there is no answer (${error.code ?? error.name})`));
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const request = send(url, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(body) },
      // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment has no effect.
      rejectUnauthorized: true,
      signal: AbortSignal.timeout(limitMs),
    });
    request.on('error', fail);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('error', fail);
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length <= MAX_ANSWER_BYTES) return;
        fail(unavailable('its answer is too long'));
        request.destroy();
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    request.end(body);
  });
}
