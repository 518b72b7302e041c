import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

const CONTEXT_BYTES = 24;
const CHUNK_BYTES = 1 << 20;
/** Steps are stored in one byte. */
const MAX_STEP = 255;
const ZEROS = Buffer.alloc(CHUNK_BYTES);
/** A plain hash of a text up to this length can be reversed by brute force. Keys of 256 random bits are stored as hashes. */
const LONGEST_GUESSABLE = 16;

/** The bytes of a text in one form. */
interface Needle {
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * Searches for texts in every form in which they could be stored: plain, in UTF-16, hexadecimal, base64 at any
 * alignment, and short ones as their plain SHA-256, from which eight digits can be recovered.
 */
export class ByteSearch {
  readonly #needles: readonly Needle[];
  readonly #shortest: number;
  readonly #longest: number;
  /**
   * By the value of two neighbouring bytes, how far the search may advance: 0 when a needle may hold them just before its
   * byte number {@link #shortest}. The algorithm of Wu and Manber: most of the bytes are never looked at.
   */
  readonly #steps: Uint8Array;
  /** By the same pairs with the step 0, the needles that may begin there. */
  readonly #candidates = new Map<number, Needle[]>();

  /** @param texts by the names that hits use, because hits must not repeat the texts themselves */
  constructor(texts: Readonly<Record<string, string>>) {
    this.#needles = Object.entries(texts).flatMap(([name, text]) => forms(name, text));
    const lengths = this.#needles.map(({ bytes }) => bytes.length);
    this.#longest = Math.max(...lengths);
    this.#shortest = Math.min(...lengths, MAX_STEP + 1);
    this.#steps = new Uint8Array(1 << 16).fill(this.#shortest - 1);
    for (const needle of this.#needles) {
      const { bytes } = needle;
      const last = bytes.readUInt16BE(this.#shortest - 2);
      this.#candidates.set(last, [...(this.#candidates.get(last) ?? []), needle]);
      for (let at = 1; at < this.#shortest; at++) {
        const pair = bytes.readUInt16BE(at - 1);
        this.#steps[pair] = Math.min(this.#steps[pair] ?? 0, this.#shortest - 1 - at);
      }
    }
  }

  /** @returns a line for each hit, with its place and the bytes around it */
  in(where: string, haystack: Buffer): string[] {
    const hits = new Map<Needle, string>();
    const steps = this.#steps;
    for (let at = this.#shortest - 1; at < haystack.length;) {
      const pair = ((haystack[at - 1] ?? 0) << 8) | (haystack[at] ?? 0);
      const step = steps[pair] ?? 0;
      if (step > 0) {
        at += step;
        continue;
      }
      const start = at - this.#shortest + 1;
      for (const needle of this.#candidates.get(pair) ?? []) {
        const { name, bytes } = needle;
        if (haystack[start] !== bytes[0] || hits.has(needle)) continue;
        if (bytes.compare(haystack, start, Math.min(start + bytes.length, haystack.length)) !== 0) continue;
        const around = haystack.subarray(Math.max(0, start - CONTEXT_BYTES), start + bytes.length + CONTEXT_BYTES);
        hits.set(needle, `${name} in ${where} at ${start}: ${JSON.stringify(around.toString('latin1'))}`);
      }
      at++;
    }
    return [...hits.values()];
  }

  /** Searches every file below a folder, and skips files that are removed during the search. */
  async inFolder(folder: string): Promise<string[]> {
    const hits: string[] = [];
    for (const path of await filesBelow(folder)) hits.push(...(await this.#inFile(path)));
    return hits;
  }

  async #inFile(path: string): Promise<string[]> {
    const hits = new Set<string>();
    let rest = Buffer.alloc(0);
    try {
      for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>) {
        // Kafka creates large indexes that are mostly empty. Of a chunk of zeros, only the border is searched.
        const empty = chunk.equals(ZEROS.subarray(0, chunk.length));
        const window = Buffer.concat([rest, empty ? chunk.subarray(0, this.#longest) : chunk]);
        for (const hit of this.in(path, window)) hits.add(hit);
        // Copied, so that a text across the border of two chunks is found in the next window.
        rest = Buffer.from(window.subarray(Math.max(0, window.length - this.#longest + 1)));
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    return [...hits];
  }
}

/** Paths of all files below a folder. Servers may remove folders at the same time. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const files: string[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await filesBelow(path)));
    else if (entry.isFile()) files.push(path);
  }
  return files;
}

function forms(name: string, text: string): Needle[] {
  const plain = Buffer.from(text, 'utf8');
  const utf16 = Buffer.from(text, 'utf16le');
  const hex = plain.toString('hex');
  const all = [
    { name: `${name} as it is`, bytes: plain },
    { name: `${name} in UTF-16LE`, bytes: utf16 },
    { name: `${name} in UTF-16BE`, bytes: Buffer.from(utf16).swap16() },
    { name: `${name} in hexadecimal`, bytes: Buffer.from(hex) },
    { name: `${name} in hexadecimal`, bytes: Buffer.from(hex.toUpperCase()) },
    ...(['base64', 'base64url'] as const).flatMap((encoding) =>
      [0, 1, 2].map((shift) => ({
        name: `${name} in ${encoding}`,
        bytes: Buffer.from(inBase64(plain, shift, encoding)),
      })),
    ),
  ];
  if (text.length <= LONGEST_GUESSABLE) {
    const digest = createHash('sha256').update(plain).digest();
    all.push({ name: `SHA-256 of ${name}`, bytes: digest });
    all.push({ name: `SHA-256 of ${name} in hexadecimal`, bytes: Buffer.from(digest.toString('hex')) });
  }
  // Digits look the same in both alphabets of base64 and in both cases of hexadecimal.
  return [...new Map(all.map((needle) => [needle.bytes.toString('latin1'), needle])).values()];
}

/** The characters of base64 that depend on the text alone, when `shift` bytes precede it. */
function inBase64(plain: Buffer, shift: number, encoding: 'base64' | 'base64url'): string {
  const first = Math.ceil((8 * shift) / 6);
  const end = Math.floor((8 * (shift + plain.length)) / 6);
  return Buffer.concat([Buffer.alloc(shift), plain])
    .toString(encoding)
    .slice(first, end);
}
