import { hash } from 'node:crypto';

/** Bytes of a SHA-256 hash. */
export const HASH_BYTES = 32;
/** Root of the tree without leaves: the hash of no bytes (RFC 6962 section 2.1). */
export const EMPTY_ROOT = hash('sha256', '', 'buffer');

/** Hashing copies its input once, into memory that is used again: it is the largest part of the work of a verification. */
const node = Buffer.alloc(1 + 2 * HASH_BYTES, 1);
let leaf = Buffer.alloc(4096);

/**
 * The hash of a leaf: SHA-256(0x00 ‖ data) (RFC 6962 section 2.1). The prefix keeps an inner node from being presented as a
 * leaf.
 */
export function leafHash(data: Uint8Array): Buffer {
  const length = data.length + 1;
  if (leaf.length < length) leaf = Buffer.alloc(2 * length);
  leaf.set(data, 1);
  return hash('sha256', leaf.subarray(0, length), 'buffer');
}

/** The hash of an inner node: SHA-256(0x01 ‖ left ‖ right) (RFC 6962 section 2.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return hash('sha256', node, 'buffer');
}
