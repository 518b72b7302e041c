import {
  cosign,
  createSignerKey,
  EMPTY_ROOT,
  formatCheckpoint,
  formatLogProof,
  formatVerifierKey,
  inclusionProof,
  leafHash,
  openCheckpoint,
  openNote,
  parseCheckpoint,
  parseLogProof,
  parseSignerKey,
  parseVerifierKey,
  SIGNATURE_TYPES,
  signCheckpoint,
  signNote,
  timedKeyOf,
  verifyLogProof,
} from './index.js';
import { TreeInMemory } from '../test/tree-in-memory.js';

const ORIGIN = 'log.example/audit';
const log = parseSignerKey(createSignerKey(ORIGIN));
const other = parseSignerKey(createSignerKey(ORIGIN));
const witness = parseSignerKey(createSignerKey('witness.example/w1', SIGNATURE_TYPES.cosignature));
const head = { size: 3, root: leafHash(Buffer.from('any')) };
const note = signCheckpoint(head, log);
const keys = [log.verifier];

describe('signed notes', () => {
  // The example of c2sp.org/signed-note.
  const vkey = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
  const text = 'This is an example message.\n';
  const line =
    '— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n';

  it('verify the example of the specification', () => {
    const key = parseVerifierKey(vkey);
    expect(openNote(`${text}\n${line}`, [key])).toEqual({ text, signatures: [{ key }] });
    expect(formatVerifierKey(key)).toBe(vkey);
  });

  it('are refused when any bit of the text or the signature is altered', () => {
    const key = parseVerifierKey(vkey);
    const bytes = Buffer.from(`${text}\n${line}`);
    for (let at = 0; at < bytes.length; at++) {
      const altered = Buffer.from(bytes);
      altered[at]! ^= 1;
      expect(() => openNote(altered, [key])).toThrow();
    }
  });

  it.each([
    ['another hash', vkey.replace('530d903a', '530d903b')],
    ['upper case hash', vkey.replace('530d903a', '530D903A')],
    ['another name', vkey.replace('foo', 'fob')],
    ['no name', vkey.replace('example.com/foo', '')],
    ['a space in the name', vkey.replace('/foo', ' foo')],
    ['another type', vkey.replace('+Aek', '+Bek')],
    ['a shorter key', vkey.slice(0, -4)],
    ['a line break', `${vkey}\n`],
  ])('need a verifier key in its exact form: %s is refused', (_, wrong) => {
    expect(() => parseVerifierKey(wrong)).toThrow(/verifier key|signature type/);
  });

  it('take 16 signatures, ignore those of unknown keys, and refuse 17', () => {
    const strangers = Array.from({ length: 16 }, (_, at) => parseSignerKey(createSignerKey(`stranger.example/${at}`)));
    expect(openNote(signNote(text, [...strangers.slice(1), log]), keys).signatures).toHaveLength(1);
    expect(() => openNote(signNote(text, [...strangers, log]), keys)).toThrow('at most 16 signatures');
    expect(() => openNote(signNote(text, strangers), keys)).toThrow('no known key has signed');
  });

  it('ignore a key that shares only the name or only the id with a known key', () => {
    expect(() => openNote(signNote(text, [other]), keys)).toThrow('no known key has signed');
    expect(() => openNote(note.replace(`— ${ORIGIN}`, '— log.example/other'), keys)).toThrow('no known key has signed');
  });

  it('refuse a second signature of the same key', () => {
    expect(() => openNote(signNote(text, [log, log]), keys)).toThrow('has signed twice');
  });

  it.each([
    ['CRLF', note.replaceAll('\n', '\r\n')],
    ['no final newline', note.slice(0, -1)],
    ['no signatures', `${formatCheckpoint({ origin: ORIGIN, ...head })}\n`],
    ['a hyphen in place of the dash', note.replace('—', '-')],
    ['two spaces', note.replace('— ', '—  ')],
    ['base64 without padding', note.replace(/=+\n$/, '\n')],
    ['an empty line at the end', `${note}\n`],
    ['a tab', note.replace('\n3\n', '\n3\t\n')],
  ])('are refused in another form: %s', (_, wrong) => {
    expect(() => openNote(wrong, keys)).toThrow();
  });

  it('are refused when they are not UTF-8, or above 128 KiB', () => {
    expect(() => openNote(Buffer.concat([Buffer.of(0xff), Buffer.from(note)]), keys)).toThrow('not UTF-8');
    expect(() => openNote(`${'a'.repeat(140_000)}\n${note}`, keys)).toThrow('131072 bytes');
  });

  it('keep the secret of a signer key out of errors', () => {
    const secret = createSignerKey(ORIGIN);
    for (const wrong of [secret.replace(ORIGIN, 'x'), secret.slice(0, -2), `${secret} `]) {
      const error = (() => {
        try {
          parseSignerKey(wrong);
          return '';
        } catch (caught) {
          return String(caught);
        }
      })();
      expect(error).toContain('EvidenceError');
      expect(error).not.toContain(secret.slice(-20, -4));
    }
  });
});

describe('checkpoints', () => {
  it('are read back with the key of their log', () => {
    expect(openCheckpoint(note, log.verifier)).toEqual({ origin: ORIGIN, ...head, cosignatures: [] });
    expect(openCheckpoint(signCheckpoint({ size: 0, root: EMPTY_ROOT }, log), log.verifier).size).toBe(0);
  });

  const text = formatCheckpoint({ origin: ORIGIN, ...head });
  it.each([
    ['a leading zero in the size', text.replace('\n3\n', '\n03\n')],
    ['a sign in the size', text.replace('\n3\n', '\n+3\n')],
    ['a size above 2^53', text.replace('\n3\n', '\n9007199254740993\n')],
    ['a root of 31 bytes', text.replace(/[^\n]+\n$/, `${Buffer.alloc(31).toString('base64')}\n`)],
    ['a root without padding', text.replace('=', '')],
    ['an extension line', `${text}extension\n`],
    ['no origin', text.replace(ORIGIN, '')],
    ['the wrong root of an empty log', text.replace('\n3\n', '\n0\n')],
  ])('are refused in another form, although the log has signed: %s', (_, wrong) => {
    expect(() => parseCheckpoint(wrong)).toThrow();
    expect(() => openCheckpoint(signNote(wrong, [log]), log.verifier)).toThrow();
  });

  it('are refused with another origin, although the key of the log has signed', () => {
    const wrong = signNote(formatCheckpoint({ origin: 'log.example/other', ...head }), [log]);
    expect(() => openCheckpoint(wrong, log.verifier)).toThrow('not of log.example/audit');
  });

  it('are refused when only a witness has signed', () => {
    const only = signNote(formatCheckpoint({ origin: ORIGIN, ...head }), [witness]);
    expect(() => openCheckpoint(only, log.verifier, [witness.verifier])).toThrow('has not signed');
    expect(() => openCheckpoint(only, witness.verifier)).toThrow('signature type 1');
  });

  it('carry cosignatures of witnesses with their time, and are refused when one is altered', () => {
    const cosigned = cosign(note, witness, 1_679_315_147);
    const opened = openCheckpoint(cosigned, log.verifier, [witness.verifier]);
    expect(opened.cosignatures).toEqual([{ name: 'witness.example/w1', time: 1_679_315_147 }]);
    expect(openCheckpoint(cosigned, log.verifier).cosignatures).toEqual([]);
    const later = cosign(note, witness, 1_679_315_148).split('\n').at(-2)!;
    // The time of one cosignature with the signature of another.
    const bytes = Buffer.from(later.split(' ')[2]!, 'base64');
    bytes.writeBigUInt64BE(1_679_315_149n, 4);
    const forged = `${note}— witness.example/w1 ${bytes.toString('base64')}\n`;
    expect(() => openCheckpoint(forged, log.verifier, [witness.verifier])).toThrow('witness.example/w1 is wrong');
  });

  it('verify the cosignature of a message as the specification writes it', () => {
    const signed = Buffer.from(`cosignature/v1\ntime 7\n${text}`);
    const bytes = Buffer.concat([Buffer.from(witness.verifier.id, 'hex'), Buffer.alloc(8), witness.sign(signed)]);
    bytes.writeBigUInt64BE(7n, 4);
    const opened = openNote(`${text}\n— witness.example/w1 ${bytes.toString('base64')}\n`, [witness.verifier]);
    expect(opened.signatures[0]?.time).toBe(7);
  });
});

describe('log proofs', () => {
  const made = TreeInMemory.withLeaves(300);
  const checkpoint = signCheckpoint({ size: 300, root: made.tree.root() }, log);
  const entry = Buffer.from('leaf 77');
  const proofOf = async (index: number): Promise<string> =>
    formatLogProof({ index, hashes: await inclusionProof(index, 300, made), checkpoint });

  it('verify without a connection, with the key of the log alone', async () => {
    const text = await proofOf(77);
    expect(text.split('\n').slice(0, 2)).toEqual(['c2sp.org/tlog-proof@v1', 'index 77']);
    expect(verifyLogProof(text, entry, log.verifier)).toMatchObject({ index: 77, checkpoint: { size: 300 } });
    const extra = formatLogProof({ ...parseLogProof(text), extra: Buffer.from('any') });
    expect(parseLogProof(extra).extra).toEqual(Buffer.from('any'));
    expect(verifyLogProof(extra, entry, log.verifier).index).toBe(77);
  });

  it('are refused for another entry, index, hash or number of hashes', async () => {
    const text = await proofOf(77);
    const proof = parseLogProof(text);
    expect(() => verifyLogProof(text, Buffer.from('leaf 78'), log.verifier)).toThrow('does not show');
    for (const wrong of [
      { ...proof, index: 78 },
      { ...proof, index: 300 },
      { ...proof, hashes: proof.hashes.slice(1) },
      { ...proof, hashes: [...proof.hashes, proof.hashes[0]!] },
      { ...proof, hashes: proof.hashes.toReversed() },
    ])
      expect(() => verifyLogProof(formatLogProof(wrong), entry, log.verifier)).toThrow('does not show');
  });

  it('are refused when the checkpoint has no valid signature, although the proof leads to its root', async () => {
    const proof = parseLogProof(await proofOf(77));
    const forged = signCheckpoint({ size: 300, root: made.tree.root() }, other);
    expect(() => verifyLogProof(formatLogProof({ ...proof, checkpoint: forged }), entry, log.verifier)).toThrow(
      'no known key has signed',
    );
  });

  it.each([
    ['a leading zero in the index', (text: string) => text.replace('index 77', 'index 077')],
    ['another version', (text: string) => text.replace('@v1', '@v2')],
    ['CRLF', (text: string) => text.replaceAll('\n', '\r\n')],
    ['no empty line', (text: string) => text.replace('\n\n', '\n')],
    [
      'a hash of 31 bytes',
      (text: string) => text.replace(/\n[^\n]{44}\n/, `\n${Buffer.alloc(31).toString('base64')}\n`),
    ],
    ['extra data that is no base64', (text: string) => text.replace('index', 'extra *\nindex')],
    [
      'too many hashes',
      (text: string) => text.replace('77\n', `77\n${`${EMPTY_ROOT.toString('base64')}\n`.repeat(53)}`),
    ],
  ])('are refused in another form: %s', async (_, alter) => {
    const text = await proofOf(77);
    expect(() => verifyLogProof(alter(text), entry, log.verifier)).toThrow();
  });
});

describe('a checkpoint that the log has signed with a time', () => {
  const timed = { ...log, verifier: timedKeyOf(log.verifier) };

  it('is verified by the public key of the log alone, and states the time', () => {
    const opened = openCheckpoint(cosign(note, timed, 1_700_000_000), log.verifier, [timedKeyOf(log.verifier)]);
    expect(opened.cosignatures).toEqual([{ name: ORIGIN, time: 1_700_000_000 }]);
  });

  it('is refused when the time was signed by another key of the same name', () => {
    const forged = { ...other, verifier: timed.verifier };
    expect(() => openCheckpoint(cosign(note, forged), log.verifier, [timed.verifier])).toThrow('signature');
  });
});
