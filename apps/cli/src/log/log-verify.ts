import { readFileSync } from 'node:fs';
import { SingleBar } from 'cli-progress';
import { type Environment } from '@countersign/runtime';
import { EvidenceError, type TiledTree, type VerifierKey, verifyLogProof } from '@countersign/transparency-log';
import { authorizationOf } from '../subjects/rest-api.js';
import { refusedSetting, type Write } from '../terminal/terminal.js';
import { describeVerdict, EXIT_CODES, type LogVerdict } from './damage.js';
import { ExportedEvents, type ExportReport } from './exported-events.js';
import { readLogKeys, splitCheckpoints } from './given-checkpoints.js';
import { FolderSource, HttpSource, type LogSource } from './log-source.js';
import { verifyLog } from './verify-log.js';
import { VerifyState } from './verify-state.js';

/** Options of every command about the log. */
export interface LogOptions {
  readonly url?: string;
  /** A verifier key, or a file with them. */
  readonly logKey?: string;
  readonly keyFile?: string;
}

export interface LogVerifyOptions extends LogOptions {
  readonly folder?: string;
  readonly checkpoints?: readonly string[];
  readonly state?: string;
  readonly hashesOnly?: true;
  readonly export?: string;
  readonly part?: true;
  readonly receipt?: string;
  readonly json?: true;
}

/**
 * `countersign log verify`.
 * @returns the exit code
 * @throws ServiceError SETTINGS_INVALID for options that cannot be used
 */
export async function logVerify(
  env: Environment,
  eventFile: string | undefined,
  options: LogVerifyOptions,
  write: Write,
): Promise<number> {
  const keys = logKeysOf(env, options);
  if (options.receipt !== undefined) return verifyReceiptFile(options.receipt, eventFile, keys, write);
  if (eventFile !== undefined) throw refusedSetting('a file of an event is verified with --receipt');
  const source = sourceOf(env, options);
  const checkpoints = (options.checkpoints ?? []).flatMap((file) =>
    splitCheckpoints(readBytes(file).toString('utf8'), file),
  );
  const hashesOnly = options.hashesOnly === true || options.export !== undefined;
  if (options.state !== undefined && options.export !== undefined)
    throw refusedSetting('--export compares the whole log: omit --state');
  const state =
    options.state === undefined ? undefined : new VerifyState(options.state, { log: keys[0]!.name, hashesOnly });
  const resumed = state?.read();
  const bar = new SingleBar({
    format: '{bar} {percentage} %, {value} of {total} entries, {eta_formatted} remaining',
    stream: process.stderr,
    hideCursor: true,
  });
  const onProgress = (tree: TiledTree, size: number, isSettled: boolean): void => {
    if (bar.isActive) bar.update(tree.size);
    else bar.start(size, tree.size);
    if (isSettled) state?.update(tree, size);
  };
  const common = { checkpoints, hashesOnly, onProgress, ...resumed };
  try {
    if (options.export === undefined) {
      const verdict = await verifyLog(source, keys, common);
      if (verdict.result === 'intact') state?.finish(verdict);
      return report(verdict, options, write);
    }
    return await ExportedEvents.with(options.export, async (exported) => {
      const verdict = await verifyLog(source, keys, {
        ...common,
        onLeaves: (begin, leaves) => exported.add(begin, leaves),
      });
      if (verdict.result !== 'intact') return report(verdict, options, write);
      return reportExport(await exported.finish(), verdict, options, write);
    });
  } finally {
    bar.stop();
  }
}

/** The verifier keys of --log-key, else of COUNTERSIGN_LOG_KEY. @throws ServiceError SETTINGS_INVALID */
export function logKeysOf(env: Environment, { logKey }: LogOptions): VerifierKey[] {
  const given = logKey ?? env['COUNTERSIGN_LOG_KEY'] ?? '';
  if (given === '')
    throw refusedSetting(
      'the public key of the log is missing: name it, or its file, with --log-key or COUNTERSIGN_LOG_KEY. ' +
        'Get it from the operator once, for whoever serves a log could also serve a key',
    );
  try {
    return readLogKeys(given);
  } catch (error) {
    if (error instanceof EvidenceError) throw refusedSetting(`--log-key: ${error.message}`);
    throw error;
  }
}

/** The audit service of --url, or the folder. @throws ServiceError SETTINGS_INVALID unless exactly one is named */
export function sourceOf(env: Environment, { url, folder, keyFile }: LogOptions & { folder?: string }): LogSource {
  if (folder !== undefined && url === undefined) return new FolderSource(folder);
  const address = folder === undefined ? (url ?? env['COUNTERSIGN_AUDIT_URL'] ?? '') : '';
  if (!/^https?:\/\/[^/]/.test(address))
    throw refusedSetting(
      'name the audit service with --url (or COUNTERSIGN_AUDIT_URL), or exported files with --folder',
    );
  return new HttpSource(address, authorizationOf(env, keyFile));
}

function verifyReceiptFile(
  receipt: string,
  eventFile: string | undefined,
  [key, ...others]: readonly VerifierKey[],
  write: Write,
): number {
  if (eventFile === undefined) throw refusedSetting('name the file with the exact bytes of the event after --receipt');
  const [proof, event] = [readBytes(receipt), readBytes(eventFile)];
  let failure = '';
  for (const log of [key!, ...others]) {
    try {
      const { index, checkpoint } = verifyLogProof(proof, event, log);
      write(`proven: the event is entry ${index} of ${checkpoint.origin}, which has ${checkpoint.size} entries`);
      return EXIT_CODES.intact;
    } catch (error) {
      if (!(error instanceof EvidenceError)) throw error;
      failure ||= error.message;
    }
  }
  write(`NOT PROVEN: ${failure}`);
  return EXIT_CODES.tampered;
}

/** @throws ServiceError SETTINGS_INVALID when the file cannot be read */
export function readBytes(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw refusedSetting(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function report(verdict: LogVerdict, { json }: LogVerifyOptions, write: Write): number {
  const shown = 'root' in verdict ? { ...verdict, root: verdict.root.toString('base64') } : verdict;
  write(json === true ? JSON.stringify(shown) : describeVerdict(verdict));
  return EXIT_CODES[verdict.result];
}

function reportExport(
  { lines, missing, ranges, unknown, prunedTo }: ExportReport,
  verdict: LogVerdict,
  options: LogVerifyOptions,
  write: Write,
): number {
  const isDamaged = unknown.length > 0 || (missing > 0 && options.part !== true);
  if (options.json === true) write(JSON.stringify({ lines, missing, ranges, unknown, prunedTo }));
  else {
    write(describeVerdict(verdict));
    write(`the export has ${lines} lines and lacks ${missing} entries`);
    if (prunedTo !== undefined) write(`it states that the entries 0 to ${prunedTo} were pruned`);
    if (missing > 0)
      write(`missing indexes: ${ranges.map(([a, b]) => (a === b ? `${a}` : `${a} to ${b}`)).join(', ')}`);
    if (unknown.length > 0)
      write(`lines that are no entry of the log, out of order, or a second copy: ${unknown.join(', ')}`);
  }
  return isDamaged ? EXIT_CODES.tampered : EXIT_CODES.intact;
}
