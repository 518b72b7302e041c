import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Environment } from '@countersign/runtime';
import { EvidenceError, formatLogProof, leafHash, verifyInclusion } from '@countersign/transparency-log';
import { refusedSetting, type Write } from '../terminal/terminal.js';
import { describeVerdict, EXIT_CODES, type LogDamage } from './damage.js';
import { openCheckpoints, openGiven, type OpenedCheckpoint, splitCheckpoints } from './given-checkpoints.js';
import { IncompleteEvidence, type LogSource } from './log-source.js';
import { logKeysOf, type LogOptions, readBytes, sourceOf } from './log-verify.js';
import { forkBetween } from './verify-log.js';

/**
 * `countersign log checkpoints`: appends the checkpoint of the log to a file that its operator does not control, when it
 * continues the last one of the file.
 * @returns the exit code
 */
export async function keepCheckpoint(
  env: Environment,
  file: string,
  options: LogOptions,
  write: Write,
): Promise<number> {
  const keys = logKeysOf(env, options);
  const source = sourceOf(env, options);
  const kept = existsSync(file) ? splitCheckpoints(readFileSync(file, 'utf8'), file) : [];
  const found = openCheckpoints(kept, keys);
  if ('damage' in found) return refuse(found.damage, write);
  const last = found.opened.at(-1);
  return withEvidence(write, async () => {
    const note = await source.read('checkpoint');
    if (note === undefined) throw new IncompleteEvidence(`${source.name} has no checkpoint`);
    const served = { where: `the checkpoint of ${source.name}`, note };
    const all = openCheckpoints([...kept, served], keys);
    if ('damage' in all) return refuse(all.damage, write);
    const head = openGiven(served, keys);
    const damage = last === undefined ? undefined : await breachOf(source, last, head);
    if (damage !== undefined) return refuse(damage, write);
    if (last?.size === head.size && last.epoch === head.epoch)
      write(`unchanged: ${head.size} entries, root ${head.root.toString('base64')}`);
    else {
      append(file, `${note.toString('utf8')}\n`);
      write(`kept: ${head.size} entries, root ${head.root.toString('base64')}`);
    }
    return EXIT_CODES.intact;
  });
}

/** How a checkpoint contradicts an earlier one. */
async function breachOf(
  source: LogSource,
  last: OpenedCheckpoint,
  head: OpenedCheckpoint,
): Promise<LogDamage | undefined> {
  if (head.size < last.size) {
    const detail = `the log shows ${head.size} entries, and had ${last.size} by ${last.where}`;
    return { kind: 'rolled back', object: head.where, first: head.size, last: head.size, detail };
  }
  // Equal sizes have equal roots, by openCheckpoints; the empty log is continued by every log.
  return last.size === 0 || last.size === head.size ? undefined : forkBetween(source, last, head);
}

/** Written and on the disk before the command says so; the file is only appended to. */
function append(file: string, text: string): void {
  const handle = openSync(file, 'a', 0o644);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/**
 * `countersign log prove`: fetches the proof of an event, verifies it, and writes it with the exact bytes of the event.
 * @returns the exit code
 */
export async function proveEvent(
  env: Environment,
  eventId: string,
  options: LogOptions & { readonly out?: string; readonly event?: string },
  write: Write,
): Promise<number> {
  // The id becomes a name of files.
  if (!/^[\w-]{1,64}$/.test(eventId)) throw refusedSetting('the id of an event has letters, digits and hyphens');
  const keys = logKeysOf(env, options);
  const source = sourceOf(env, options);
  const given = options.event === undefined ? undefined : readBytes(options.event);
  return withEvidence(write, async () => {
    const answer = await source.read(`v1/events/${eventId}/proof`);
    if (answer === undefined) throw new IncompleteEvidence(`${source.name} has no event ${eventId} for this key`);
    const { index, hashes, checkpoint: note, value: sent } = parseAnswer(answer);
    // The bytes of the caller are what must be proven, whatever the log sends.
    const value = given ?? sent;
    if (value === undefined)
      throw new IncompleteEvidence(
        `${source.name} sends no bytes of ${eventId}, and a hash names no event: use --event`,
      );
    // A log that has removed an event could send a valid proof of another one.
    if (idOf(value)?.toLowerCase() !== eventId.toLowerCase())
      throw new EvidenceError(`the bytes are not those of the event ${eventId}`);
    const { size, root } = openGiven({ where: 'the proof', note }, keys);
    if (!verifyInclusion(index, size, leafHash(value), hashes, root))
      throw new EvidenceError(`the proof of ${eventId} does not lead to the root that the log has signed`);
    const base = join(options.out ?? '.', eventId);
    writeFileSync(`${base}.tlog-proof`, formatLogProof({ index, hashes, checkpoint: note }));
    writeFileSync(`${base}.event`, value);
    write(`proven: event ${eventId} is entry ${index} of ${size}; receipt in ${base}.tlog-proof`);
    write(`verify it offline: countersign log verify --receipt ${base}.tlog-proof ${base}.event`);
    return EXIT_CODES.intact;
  });
}

/** The id that an event states. @returns undefined for bytes that are no event */
function idOf(value: Buffer): string | undefined {
  try {
    const event = JSON.parse(value.toString('utf8')) as { metadata?: { uid?: unknown } } | null;
    const uid = event?.metadata?.uid;
    return typeof uid === 'string' ? uid : undefined;
  } catch {
    return undefined;
  }
}

interface ProofAnswer {
  readonly index: number;
  readonly hashes: readonly Buffer[];
  readonly checkpoint: string;
  /** The exact bytes of the event. */
  readonly value?: Buffer | undefined;
}

/** `{index, size, hashes: base64[], checkpoint, value?: base64}`. */
function parseAnswer(data: Buffer): ProofAnswer {
  const wrong = new IncompleteEvidence('the answer is no proof');
  let answer: Partial<Record<'index' | 'hashes' | 'checkpoint' | 'value', unknown>> | null;
  try {
    answer = JSON.parse(data.toString('utf8')) as typeof answer;
  } catch {
    throw wrong;
  }
  const { index, hashes, checkpoint, value } = answer ?? {};
  if (!Number.isSafeInteger(index) || !Array.isArray(hashes) || typeof checkpoint !== 'string') throw wrong;
  const bytes = hashes.map((hash) => Buffer.from(String(hash), 'base64'));
  return {
    index: index as number,
    hashes: bytes,
    checkpoint,
    value: typeof value === 'string' ? Buffer.from(value, 'base64') : undefined,
  };
}

/** Runs a command that needs evidence from the log. @returns the exit code */
async function withEvidence(write: Write, command: () => Promise<number>): Promise<number> {
  try {
    return await command();
  } catch (error) {
    if (error instanceof IncompleteEvidence) {
      write(describeVerdict({ result: 'incomplete', reason: error.message }));
      return EXIT_CODES.incomplete;
    }
    if (!(error instanceof EvidenceError)) throw error;
    write(`NOT PROVEN: ${error.message}`);
    return EXIT_CODES.tampered;
  }
}

function refuse(damage: LogDamage, write: Write): number {
  write(describeVerdict({ result: 'tampered', damage }));
  return EXIT_CODES.tampered;
}
