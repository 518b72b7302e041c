/** The proof of an event, as the API gives it. Bytes are base64. */
export interface EventEvidence {
  readonly index: number;
  readonly size: number;
  readonly hashes: readonly string[];
  /** The signed note. */
  readonly checkpoint: string;
  readonly value: string;
}

/** Why a proof does not hold. */
export type ProofFault = 'key' | 'note' | 'unsigned' | 'signature' | 'inclusion' | 'event';

export type ProofResult =
  | { readonly holds: true; readonly origin: string; readonly size: number }
  | { readonly holds: false; readonly fault: ProofFault };

type Bytes = Uint8Array<ArrayBuffer>;

const HASH_BYTES = 32;
const KEY_ID_BYTES = 4;
const SIGNATURE_BYTES = 64;
/** The signature type of c2sp.org/signed-note for Ed25519 keys of logs. */
const ED25519 = 1;
/** Each costs a verification. */
const MAX_SIGNATURES = 16;

/** A key that verifies checkpoints of a log: `name+id+base64`. */
interface LogKey {
  readonly name: string;
  readonly id: Bytes;
  readonly publicKey: Awaited<ReturnType<typeof crypto.subtle.importKey>>;
}

class Refused extends Error {
  constructor(readonly fault: ProofFault) {
    super(fault);
  }
}

/**
 * Verifies with the means of the browser alone that the bytes are an event of the signed log: the leaf, the path to the root
 * (RFC 9162 section 2.1.3.2), and a signature of a key of the log (c2sp.org/signed-note, c2sp.org/tlog-checkpoint).
 * @param id that the bytes must state as theirs: otherwise another event of the log would be proven
 * @param keys one key a line
 */
export async function verifyEvent(evidence: EventEvidence, id: string, keys: string): Promise<ProofResult> {
  try {
    const { origin, size, root } = await openCheckpoint(evidence.checkpoint, keys);
    const value = fromBase64(evidence.value);
    const path = evidence.hashes.map(fromBase64);
    const isIncluded =
      size === evidence.size && (await verifyInclusion(evidence.index, size, await leafHash(value), path, root));
    if (!isIncluded) throw new Refused('inclusion');
    if (idOf(value) !== id) throw new Refused('event');
    return { holds: true, origin, size };
  } catch (error) {
    if (error instanceof Refused) return { holds: false, fault: error.fault };
    throw error;
  }
}

/** Whether the text is one or more verifier keys. */
export async function isKeyText(keys: string): Promise<boolean> {
  return readKeys(keys).then(
    () => true,
    () => false,
  );
}

/** Whether the path leads from the leaf to the root. */
export async function verifyInclusion(
  index: number,
  size: number,
  leaf: Bytes,
  path: readonly Bytes[],
  root: Bytes,
): Promise<boolean> {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  if ([leaf, root, ...path].some((hash) => hash.length !== HASH_BYTES)) return false;
  // No bit operations: they would cut indexes to 32 bits.
  let [node, last] = [index, size - 1];
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = await nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else hash = await nodeHash(hash, sibling);
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 && equal(hash, root);
}

interface SignedHead {
  readonly origin: string;
  readonly size: number;
  readonly root: Bytes;
}

async function openCheckpoint(note: string, keyText: string): Promise<SignedHead> {
  const keys = await readKeys(keyText).catch(() => {
    throw new Refused('key');
  });
  const end = note.lastIndexOf('\n\n');
  const lines = note.slice(end + 2).split('\n');
  if (end < 0 || lines.pop() !== '' || lines.length > MAX_SIGNATURES) throw new Refused('note');
  const text = note.slice(0, end + 1);
  let signer: LogKey | undefined;
  for (const line of lines) {
    const [, name = '', base64 = ''] = /^— (\S+) ([A-Za-z0-9+/=]+)$/u.exec(line) ?? [];
    const bytes = fromBase64(base64);
    const key = keys.find((known) => known.name === name && equal(known.id, bytes.slice(0, KEY_ID_BYTES)));
    if (key === undefined) continue;
    const signature = bytes.slice(KEY_ID_BYTES);
    const isSigned =
      signature.length === SIGNATURE_BYTES &&
      (await crypto.subtle.verify('Ed25519', key.publicKey, signature, new TextEncoder().encode(text)));
    // One wrong signature of a known key refuses the whole note.
    if (!isSigned) throw new Refused('signature');
    signer = key;
  }
  if (signer === undefined) throw new Refused('unsigned');
  const [, origin = '', decimal = '', base64 = ''] =
    /^([^\n]+)\n(0|[1-9]\d{0,15})\n([A-Za-z0-9+/=]+)\n$/.exec(text) ?? [];
  if (origin !== signer.name) throw new Refused('note');
  return { origin, size: Number(decimal), root: fromBase64(base64) };
}

/** @throws Error unless every line is a verifier key of a log, with the id that follows from its name and key */
async function readKeys(text: string): Promise<LogKey[]> {
  const lines = text.split('\n').map((line) => line.trim());
  const keys = await Promise.all(lines.filter((line) => line !== '').map(readKey));
  if (keys.length === 0) throw new Error('there is no key');
  return keys;
}

async function readKey(line: string): Promise<LogKey> {
  const [, name = '', hex = '', base64 = ''] = /^([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u.exec(line) ?? [];
  const material = fromBase64(base64);
  if (material[0] !== ED25519 || material.length !== 1 + HASH_BYTES) throw new Error('this is no Ed25519 key of a log');
  const id = (await sha256(new TextEncoder().encode(`${name}\n`), material)).slice(0, KEY_ID_BYTES);
  const stated = [...id].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  if (stated !== hex) throw new Error('the id is not that of the key');
  return { name, id, publicKey: await crypto.subtle.importKey('raw', material.slice(1), 'Ed25519', false, ['verify']) };
}

/** The prefixes keep a leaf from being taken for a node (RFC 6962 section 2.1). */
const leafHash = (value: Bytes): Promise<Bytes> => sha256(Uint8Array.of(0), value);
const nodeHash = (left: Bytes, right: Bytes): Promise<Bytes> => sha256(Uint8Array.of(1), left, right);

async function sha256(...parts: readonly Bytes[]): Promise<Bytes> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', whole));
}

/** @throws Refused for other text: what cannot be read proves nothing */
function fromBase64(text: string): Bytes {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    throw new Refused('note');
  }
}

/** Compares public values. */
const equal = (one: Bytes, other: Bytes): boolean =>
  one.length === other.length && one.every((byte, at) => byte === other[at]);

/** The text of the proven bytes. */
export const eventText = ({ value }: EventEvidence): string => new TextDecoder().decode(fromBase64(value));

function idOf(value: Bytes): unknown {
  try {
    const event = JSON.parse(new TextDecoder().decode(value)) as {
      readonly metadata?: { readonly uid?: unknown };
    } | null;
    return event?.metadata?.uid;
  } catch {
    return undefined;
  }
}
