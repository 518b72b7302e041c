import { verify } from 'node:crypto';
import { EvidenceError } from './evidence-error.js';
import { decodeBase64, decodeText } from './exact-text.js';
import { isKeyName, SIGNATURE_TYPES, type SignerKey, type VerifierKey } from './note-keys.js';

/**
 * Most signatures of a note. The specification demands at least 16 and a limit, because each costs a verification
 * (c2sp.org/signed-note, "Format").
 */
export const MAX_SIGNATURES = 16;
/** Bytes of the largest note that is read: 16 post-quantum signatures of unknown keys need 80 kB. */
const MAX_NOTE_BYTES = 128 << 10;
const SIGNATURE_BYTES = 64;
const TIME_BYTES = 8;
const KEY_ID_BYTES = 4;

/** A signature of a known key that was verified. */
export interface NoteSignature {
  readonly key: VerifierKey;
  /** When a witness signed, in seconds since 1970. */
  readonly time?: number;
}

/** A text with at least one signature of a known key. */
export interface OpenedNote {
  /** With its final newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/**
 * Signs a text.
 * @param text ends with a newline
 * @param time of cosignatures, in seconds since 1970
 */
export function signNote(text: string, signers: readonly SignerKey[], time = Math.floor(Date.now() / 1000)): string {
  if (!text.endsWith('\n') || decodeText(text) !== text) throw new EvidenceError('a note ends with a newline');
  return `${text}\n${signers.map((signer) => signatureLine(text, signer, time)).join('')}`;
}

/** Adds the cosignature of a witness to a checkpoint that it has verified (c2sp.org/tlog-cosignature). */
export function cosign(note: string, witness: SignerKey, time = Math.floor(Date.now() / 1000)): string {
  return `${note}${signatureLine(splitNote(note).text, witness, time)}`;
}

/**
 * Verifies a note (c2sp.org/signed-note). Signatures of unknown keys are ignored; one of a known key that is wrong refuses
 * the whole note, and so does a second one of the same key.
 * @throws EvidenceError also when no known key has signed
 */
export function openNote(note: Uint8Array | string, keys: readonly VerifierKey[]): OpenedNote {
  const { text, lines } = splitNote(decodeNote(note));
  const signatures: NoteSignature[] = [];
  for (const { name, id, signature } of lines) {
    const key = keys.find((known) => known.name === name && known.id === id);
    if (key === undefined) continue;
    if (signatures.some((found) => found.key === key)) throw new EvidenceError(`${name} has signed twice`);
    signatures.push(verifySignature(text, key, signature));
  }
  if (signatures.length === 0) throw new EvidenceError('no known key has signed');
  return { text, signatures };
}

/** A note that is not verified: for a copy with further signatures. */
export function splitNote(note: string): {
  readonly text: string;
  readonly lines: readonly { readonly name: string; readonly id: string; readonly signature: Buffer }[];
} {
  // The signatures follow the last empty line; the text may have empty lines.
  const split = note.lastIndexOf('\n\n');
  const text = note.slice(0, split + 1);
  const block = note.slice(split + 2);
  if (split < 0 || !block.endsWith('\n')) throw new EvidenceError('a note is a text, an empty line and signatures');
  const lines = block.slice(0, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw new EvidenceError(`a note has at most ${MAX_SIGNATURES} signatures`);
  return { text, lines: lines.map(parseSignature) };
}

function decodeNote(note: Uint8Array | string): string {
  if (note.length > MAX_NOTE_BYTES) throw new EvidenceError(`a note has at most ${MAX_NOTE_BYTES} bytes`);
  return decodeText(note);
}

/** `— <name> <base64 of key id and signature>`. */
function parseSignature(line: string): { name: string; id: string; signature: Buffer } {
  const [dash, name = '', base64 = '', ...others] = line.split(' ');
  const bytes = decodeBase64(base64);
  if (dash !== '—' || !isKeyName(name) || bytes === undefined || bytes.length <= KEY_ID_BYTES || others.length > 0)
    throw new EvidenceError('a signature line is a dash, a name, and base64');
  return { name, id: bytes.toString('hex', 0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) };
}

function verifySignature(text: string, key: VerifierKey, signature: Buffer): NoteSignature {
  const isTimed = key.type === SIGNATURE_TYPES.cosignature;
  const wrong = new EvidenceError(`the signature of ${key.name} is wrong`);
  if (signature.length !== SIGNATURE_BYTES + (isTimed ? TIME_BYTES : 0)) throw wrong;
  const stated = isTimed ? signature.readBigUInt64BE(0) : 0n;
  // Seconds beyond 2^53 are no time of a witness; the specification allows up to 2^63 - 1.
  if (stated > BigInt(Number.MAX_SAFE_INTEGER)) throw wrong;
  const time = Number(stated);
  const message = isTimed ? timedMessage(text, time) : Buffer.from(text);
  if (!verify(null, message, key.publicKey, signature.subarray(isTimed ? TIME_BYTES : 0))) throw wrong;
  return isTimed ? { key, time } : { key };
}

function signatureLine(text: string, signer: SignerKey, time: number): string {
  const { verifier } = signer;
  const parts: Buffer[] = [Buffer.from(verifier.id, 'hex')];
  if (verifier.type === SIGNATURE_TYPES.cosignature) {
    const stated = Buffer.alloc(TIME_BYTES);
    stated.writeBigUInt64BE(BigInt(time));
    parts.push(stated, signer.sign(timedMessage(text, time)));
  } else parts.push(signer.sign(Buffer.from(text)));
  return `— ${verifier.name} ${Buffer.concat(parts).toString('base64')}\n`;
}

/** What a witness signs (c2sp.org/tlog-cosignature, "Ed25519 signed message"). */
function timedMessage(text: string, time: number): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
}
