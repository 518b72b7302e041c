import { EvidenceError } from './evidence-error.js';
import { EMPTY_ROOT, HASH_BYTES, nodeHash } from './hashing.js';

/** A node of the tree: the root of the complete subtree over the leaves [index · 2^level, (index + 1) · 2^level). */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

/** Receives every node that becomes complete, leaves included, children before their parent. */
export type VisitNode = (level: number, index: number, hash: Buffer) => void;

const HEAD_BYTES = 16;

/**
 * The fewest complete subtrees over the leaves [begin, end), from left to right.
 * @see https://github.com/transparency-dev/merkle/blob/main/docs/compact_ranges.md
 */
export function nodesOfRange(begin: number, end: number): TreeNode[] {
  const nodes: TreeNode[] = [];
  for (let at = begin; at < end;) {
    let level = 0;
    let width = 1;
    while (at % (width * 2) === 0 && at + width * 2 <= end) {
      width *= 2;
      level++;
    }
    nodes.push({ level, index: at / width });
    at += width;
  }
  return nodes;
}

/**
 * What is needed of a range of leaves to append to it, to join it with its neighbor and, when it begins at 0, to compute the
 * root: one hash for each of its `nodesOfRange`, at most 2 · 53.
 * @see https://github.com/transparency-dev/merkle/blob/main/docs/compact_ranges.md
 */
export class CompactRange {
  private constructor(
    /** Index of the first leaf. */
    readonly begin: number,
    private last: number,
    private readonly nodes: Buffer[],
  ) {}

  static empty(begin = 0): CompactRange {
    return new CompactRange(begin, begin, []);
  }

  /** @throws EvidenceError when the bytes are not those of `serialize` */
  static parse(data: Uint8Array): CompactRange {
    const bytes = Buffer.from(data);
    const [begin, end] = bytes.length < HEAD_BYTES ? [1, 0] : [readSize(bytes, 0), readSize(bytes, 8)];
    const count = begin > end ? -1 : nodesOfRange(begin, end).length;
    if (bytes.length !== HEAD_BYTES + count * HASH_BYTES)
      throw new EvidenceError('these bytes are not a compact range');
    return new CompactRange(begin, end, splitHashes(bytes.subarray(HEAD_BYTES)));
  }

  /** Index after the last leaf; the size of the tree when the range begins at 0. */
  get end(): number {
    return this.last;
  }

  /** Begin and end as big-endian uint64, then the hashes from left to right. */
  serialize(): Buffer {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeBigUInt64BE(BigInt(this.begin), 0);
    head.writeBigUInt64BE(BigInt(this.last), 8);
    return Buffer.concat([head, ...this.nodes]);
  }

  clone(): CompactRange {
    return new CompactRange(this.begin, this.last, [...this.nodes]);
  }

  /** @param hash the hash of the next leaf */
  append(hash: Buffer, visit?: VisitNode): void {
    this.#push(0, this.last, hash, visit);
    this.last++;
  }

  /** Appends the leaves of a range that begins where this one ends. @throws EvidenceError for another range */
  merge(right: CompactRange, visit?: VisitNode): void {
    if (right.begin !== this.last)
      throw new EvidenceError(`a range from ${right.begin} does not continue one to ${this.last}`);
    nodesOfRange(right.begin, right.last).forEach(({ level, index }, at) => {
      this.#push(level, index, right.nodes[at]!, visit);
    });
    this.last = right.last;
  }

  /** The root of the tree of these leaves. @throws EvidenceError when the range does not begin at 0 */
  root(): Buffer {
    if (this.begin !== 0) throw new EvidenceError('only a range from the first leaf has a root');
    return foldNodes(this.nodes);
  }

  #push(level: number, index: number, hash: Buffer, visit?: VisitNode): void {
    visit?.(level, index, hash);
    // The left sibling is in the range, and is the last node, unless it begins before the range.
    while (index % 2 === 1 && (index - 1) * 2 ** level >= this.begin) {
      hash = nodeHash(this.nodes.pop()!, hash);
      level++;
      index = (index - 1) / 2;
      visit?.(level, index, hash);
    }
    this.nodes.push(hash);
  }
}

/** The hash over adjacent complete subtrees that decrease in size to the right (RFC 6962 section 2.1). */
export function foldNodes(nodes: readonly Buffer[]): Buffer {
  const last = nodes.at(-1);
  if (last === undefined) return EMPTY_ROOT;
  return nodes.slice(0, -1).reduceRight<Buffer>((right, left) => nodeHash(left, right), last);
}

/** The hashes of a tile, without a copy. The length must be a multiple of 32. */
export function splitHashes(data: Buffer): Buffer[] {
  return Array.from({ length: data.length / HASH_BYTES }, (_, at) =>
    data.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES),
  );
}

function readSize(bytes: Buffer, offset: number): number {
  const size = bytes.readBigUInt64BE(offset);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new EvidenceError('these bytes are not a compact range');
  return Number(size);
}
