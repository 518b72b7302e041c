import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

const CONTEXT_BYTES = 24;
const CHUNK_BYTES = 1 << 20;
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
  readonly #longest: number;
  /** Matches any needle. One search for all of them; most of what is searched holds none. */
  readonly #any: RegExp;

  /** @param texts by the names that hits use, because hits must not repeat the texts themselves */
  constructor(texts: Readonly<Record<string, string>>) {
    this.#needles = Object.entries(texts).flatMap(([name, text]) => forms(name, text));
    this.#longest = Math.max(...this.#needles.map(({ bytes }) => bytes.length));
    this.#any = new RegExp(this.#needles.map(({ bytes }) => asPattern(bytes)).join('|'));
  }

  /** @returns a line for each hit, with its place and the bytes around it */
  in(where: string, haystack: Buffer): string[] {
    if (!this.#any.test(haystack.toString('latin1'))) return [];
    return this.#needles.flatMap(({ name, bytes }) => {
      const at = haystack.indexOf(bytes);
      if (at < 0) return [];
      const around = haystack.subarray(Math.max(0, at - CONTEXT_BYTES), at + bytes.length + CONTEXT_BYTES);
      return [`${name} in ${where} at ${at}: ${JSON.stringify(around.toString('latin1'))}`];
    });
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

/** Each byte by its code, so none has a meaning of its own in the pattern. */
const asPattern = (bytes: Buffer): string => bytes.toString('hex').replace(/../g, '\\x$&');

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
