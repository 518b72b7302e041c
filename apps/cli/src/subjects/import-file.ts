import { statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { SingleBar } from 'cli-progress';
import { type ImportedRow } from '@countersign/contracts';
import { ServiceError, type Environment } from '@countersign/runtime';
import { refusedSetting, type Write } from '../terminal/terminal.js';
import { ImportInterrupted, ImportRefused, sendRows } from './import-request.js';
import { ImportState } from './import-state.js';
import { apiOf, checkApi, refused, type Api, type ApiOptions } from './rest-api.js';
import { openSource } from './source-rows.js';

export interface ImportFileOptions extends ApiOptions {
  readonly dryRun?: true;
  readonly restart?: true;
}

/** The pauses after which an interrupted import is continued, in milliseconds. A result in between begins them anew. */
const RETRY_PAUSES_MS = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000];

/**
 * Imports a CSV or NDJSON file through the REST API. An import that was interrupted continues where it ended.
 * @returns whether every row was accepted
 * @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE with what to do
 */
export async function importFile(
  env: Environment,
  file: string,
  options: ImportFileOptions,
  write: Write,
): Promise<boolean> {
  const { restart = false, dryRun = false } = options;
  const api = apiOf(env, options);
  const { size } = fileStats(file);
  const { rejectedHead } = await openSource(file);
  await checkApi(api);
  const target = { url: api.url, tenant: api.tenant };
  const state = ImportState.open(file, target, { rejectedHead, restart, dryRun });
  if (state.isContinued) write(`continues after line ${state.line}, with ${state.total} rows done`);
  const startedAt = performance.now();
  const before = state.total;
  const bar = new SingleBar({
    format: '{bar} {percentage} %, {rows} rows, {rejected} rejected, {rate} per second, {eta_formatted} remaining',
    stream: process.stderr,
    hideCursor: true,
    etaBuffer: 50,
  });
  const rate = (): number =>
    Math.round((state.total - before) / Math.max(0.001, (performance.now() - startedAt) / 1000));
  const progress = () => ({ rows: state.total, rejected: state.counts.rejected, rate: rate() });
  bar.start(size, state.bytes, progress());
  try {
    await sendAll(api, file, dryRun, state, () => bar.update(Math.min(size, state.bytes), progress()));
    bar.update(size, progress());
  } catch (error) {
    state.save();
    state.close();
    throw error;
  } finally {
    bar.stop();
  }
  state.finish();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const { created, updated, unchanged, rejected } = state.counts;
  write(
    `${dryRun ? 'checked' : 'imported'} ${state.total - before} rows in ${seconds} s, ${rate()} per second` +
      `${before > 0 ? `, after ${before} before the interruption` : ''}`,
  );
  const would = dryRun ? 'would be ' : '';
  write(`${would}created ${created}, updated ${updated}, unchanged ${unchanged}, rejected ${rejected}`);
  if (rejected > 0)
    write(`rejected rows with their reasons: ${state.rejectedFile}. Correct them, and import that file.`);
  return rejected === 0;
}

async function sendAll(
  api: Api,
  file: string,
  dryRun: boolean,
  state: ImportState,
  onProgress: () => void,
): Promise<void> {
  let tries = 0;
  const onResult: Parameters<typeof sendRows>[2]['onResult'] = (row, result) => {
    tries = 0;
    const reason = result.result === 'rejected' ? row.rejected(reasonOf(result)) : undefined;
    state.add(row, result.result, reason);
    onProgress();
  };
  for (;;) {
    const { rows } = await openSource(file);
    const { importId, line: after } = state;
    try {
      return await sendRows(api, rows, { importId, dryRun, after, onResult });
    } catch (error) {
      if (error instanceof ImportRefused) throw refused(error.status, api.url, api.tenant);
      if (!(error instanceof ImportInterrupted)) throw error;
      const pause = RETRY_PAUSES_MS[tries++];
      if (pause === undefined) {
        const advice = dryRun ? 'run the command again' : 'run the command again, which continues there';
        throw new ServiceError('BROKER_UNAVAILABLE', `${error.message}, after line ${state.line}: ${advice}`, true);
      }
      await delay(pause);
    }
  }
}

function reasonOf({ violations = [] }: ImportedRow): string {
  return violations.map(({ field, rule }) => `${field} ${rule}`).join('; ');
}

function fileStats(file: string): { size: number } {
  try {
    return statSync(file);
  } catch (error) {
    throw refusedSetting(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
