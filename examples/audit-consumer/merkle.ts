import { createHash, createPublicKey, verify } from 'node:crypto';

/** The hashing of RFC 6962 and the signed checkpoints of C2SP, written plainly. */
const sha256 = (...parts: (Buffer | string)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** @param value the exact bytes of the Kafka record */
export const leafHash = (value: Buffer): Buffer => sha256(Buffer.from([0]), value);
const nodeHash = (left: Buffer, right: Buffer): Buffer => sha256(Buffer.from([1]), left, right);

/** The roots of the full subtrees of a tree, from left to right: enough to append leaves, and to compute the root. */
export class CompactTree {
  constructor(
    public size = 0,
    public readonly hashes: Buffer[] = [],
  ) {}

  copy(): CompactTree {
    return new CompactTree(this.size, [...this.hashes]);
  }

  append(leaf: Buffer): void {
    let hash = leaf;
    // Each 1 at the end of the size is a subtree as large as the one on its right.
    for (let rest = this.size; rest % 2 === 1; rest = (rest - 1) / 2) hash = nodeHash(this.hashes.pop()!, hash);
    this.hashes.push(hash);
    this.size++;
  }

  root(): Buffer {
    if (this.size === 0) return sha256();
    return this.hashes.reduceRight((right, left) => nodeHash(left, right));
  }
}

export interface Checkpoint {
  readonly size: number;
  readonly root: Buffer;
}

/**
 * Reads a signed checkpoint.
 * @param logKey the public key of the log, as `GET /vkey` answers it: `name+hash+base64`
 * @returns undefined: it is not signed by this key, or of another log
 */
export function openCheckpoint(note: Buffer, logKey: string): Checkpoint | undefined {
  const [, origin, keyText = ''] = /^([^+\s]+)\+[0-9a-f]{8}\+(\S+)$/.exec(logKey) ?? [];
  if (origin === undefined) throw new Error('the key of the log must be name+hash+base64');
  const key = Buffer.from(keyText, 'base64');
  const end = note.lastIndexOf('\n\n');
  const text = note.subarray(0, end + 1);
  const keyId = sha256(`${origin}\n`, key).subarray(0, 4);
  const x = key.subarray(1).toString('base64url');
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  const isSigned = note
    .subarray(end + 2)
    .toString()
    .split('\n')
    .some((line) => {
      const [, name, encoded = ''] = /^— (\S+) (\S+)$/.exec(line) ?? [];
      const signature = Buffer.from(encoded, 'base64');
      // Signatures of witnesses have other names and keys.
      if (name !== origin || !signature.subarray(0, 4).equals(keyId)) return false;
      return verify(null, text, publicKey, signature.subarray(4));
    });
  const [first, size = '', root = ''] = text.toString().split('\n');
  if (!isSigned || first !== origin || !/^(0|[1-9]\d*)$/.test(size)) return undefined;
  return { size: Number(size), root: Buffer.from(root, 'base64') };
}
