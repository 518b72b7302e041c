import { openCheckpoint, type VerifiedCheckpoint } from './checkpoint.js';
import { EvidenceError } from './evidence-error.js';
import { decodeBase64, decodeText, parseDecimal } from './exact-text.js';
import { HASH_BYTES, leafHash } from './hashing.js';
import { type VerifierKey } from './note-keys.js';
import { verifyInclusion } from './proofs.js';

/** What a `.tlog-proof` file holds (c2sp.org/tlog-proof). */
export interface LogProof {
  /** Index of the entry. */
  readonly index: number;
  /** Inclusion proof, from the sibling of the leaf up. */
  readonly hashes: readonly Buffer[];
  /** The signed note, as the log published it. */
  readonly checkpoint: string;
  /** Bytes with a meaning for an application; nothing confirms them. */
  readonly extra?: Buffer;
}

const HEAD = 'c2sp.org/tlog-proof@v1';
/** A tree of 2^53 leaves has 53 levels above its leaves. */
const MAX_HASHES = 53;

/** The text of a `.tlog-proof` file (c2sp.org/tlog-proof, "Format"). */
export function formatLogProof({ index, hashes, checkpoint, extra }: LogProof): string {
  const extraLine = extra === undefined ? [] : [`extra ${extra.toString('base64')}`];
  const lines = [HEAD, ...extraLine, `index ${index}`, ...hashes.map((hash) => hash.toString('base64'))];
  return `${lines.join('\n')}\n\n${checkpoint}`;
}

/** @throws EvidenceError for any other form than that of `formatLogProof` */
export function parseLogProof(data: Uint8Array | string): LogProof {
  const text = decodeText(data);
  const split = text.indexOf('\n\n');
  const [head, ...lines] = text.slice(0, Math.max(split, 0)).split('\n');
  if (head !== HEAD) throw new EvidenceError(`a log proof begins with ${HEAD}`);
  const extra = lines[0]?.startsWith('extra ') ? decodeBase64(lines.shift()!.slice('extra '.length)) : null;
  const index = parseDecimal(/^index (.*)$/.exec(lines.shift() ?? '')?.[1] ?? '');
  if (extra === undefined || index === undefined) throw new EvidenceError('a log proof names the index of its entry');
  if (lines.length > MAX_HASHES) throw new EvidenceError(`a log proof has at most ${MAX_HASHES} hashes`);
  const hashes = lines.map((line) => {
    const hash = decodeBase64(line);
    if (hash?.length !== HASH_BYTES) throw new EvidenceError('a hash of a log proof is the base64 of 32 bytes');
    return hash;
  });
  return { index, hashes, checkpoint: text.slice(split + 2), ...(extra !== null && { extra }) };
}

/**
 * Verifies without any connection that an entry is in a log (c2sp.org/tlog-proof, "Verifying a tlog proof").
 * @param entry the exact bytes that were published
 * @throws EvidenceError when the signature of the log, the form or the proof is wrong
 */
export function verifyLogProof(
  data: Uint8Array | string,
  entry: Uint8Array,
  log: VerifierKey,
  witnesses: readonly VerifierKey[] = [],
): { readonly index: number; readonly checkpoint: VerifiedCheckpoint } {
  const { index, hashes, checkpoint: note } = parseLogProof(data);
  // The signature first: without it the root is whatever the file says (GHSA-jp26-88mw-89qr).
  const checkpoint = openCheckpoint(note, log, witnesses);
  if (!verifyInclusion(index, checkpoint.size, leafHash(entry), hashes, checkpoint.root))
    throw new EvidenceError(`the proof does not show these bytes at index ${index} of the log`);
  return { index, checkpoint };
}
