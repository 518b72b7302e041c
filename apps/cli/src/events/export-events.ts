import { once } from 'node:events';
import { createGunzip, gzipSync } from 'node:zlib';
import { Readable } from 'node:stream';
import { SingleBar } from 'cli-progress';
import { type Environment, ServiceError } from '@countersign/runtime';
import { refusedSetting, type Write } from '../terminal/terminal.js';
import { EventsApi, interrupted, Retries, type EventOptions } from './events-api.js';
import {
  EXPORT_FORMATS,
  ExportFile,
  type EventExportFormat,
  type ExportPosition,
  type ExportTarget,
} from './export-file.js';

export interface EventExportOptions extends EventOptions {
  readonly format?: string;
  readonly cursor?: string;
  readonly restart?: true;
}

const NEW_LINE = 0x0a;
const CSV_HEAD = 1;

/**
 * `countersign events export`: exports the events that match, the oldest first. An export that breaks off continues after the
 * last event that arrived; one that ended early continues when the command is run again.
 * @param file undefined: standard output
 * @param note writes messages that are no events, to standard error
 * @throws ServiceError SETTINGS_INVALID; BROKER_UNAVAILABLE, retriable, when the export is not complete
 */
export async function exportEvents(
  env: Environment,
  file: string | undefined,
  options: EventExportOptions,
  note: Write,
  signal?: AbortSignal,
): Promise<void> {
  const format = formatOf(options.format, file);
  if (options.cursor !== undefined && !/^(0|[1-9]\d{0,14})$/.test(options.cursor))
    throw refusedSetting('--cursor must be the index of an event');
  const api = new EventsApi(env, options);
  const start: ExportPosition = { count: 0, ...(options.cursor !== undefined && { cursor: options.cursor }) };
  const identity = { url: api.url, format, filters: api.filters };
  const target =
    file === undefined
      ? standardOutput(format, start)
      : new ExportFile(file, identity, { start, restart: !!options.restart });
  if (target instanceof ExportFile && target.isContinued) note(`continues after ${target.position.count} events`);
  const before = target.position.count;
  const beganAt = performance.now();
  const progress = await Progress.open(api);
  const rate = (): number =>
    Math.round((target.position.count - before) / Math.max(0.001, (performance.now() - beganAt) / 1000));
  try {
    await readAll(api, format, target, () => progress.show(target.position, format, rate()), signal);
  } catch (error) {
    if (target instanceof ExportFile) target.interrupt();
    if (!(error instanceof ServiceError && error.retriable)) throw error;
    const advice =
      file === undefined
        ? `continue with --cursor ${await cursorOf(api, target.position, format).catch(() => 'INDEX of the last event')}`
        : 'run the command again, which continues there';
    throw interrupted(`${error.message}, after ${target.position.count} events: ${advice}`);
  } finally {
    progress.close();
  }
  if (target instanceof ExportFile) target.finish();
  note(`exported ${target.position.count} events${file === undefined ? '' : ` to ${file}`}, ${rate()} per second`);
}

function formatOf(given: string | undefined, file = ''): EventExportFormat {
  const byName = EXPORT_FORMATS.find((format) => file.toLowerCase().endsWith(`.${format}`));
  const format = EXPORT_FORMATS.find((one) => one === (given ?? byName ?? 'ndjson'));
  if (format === undefined) throw refusedSetting(`--format must be one of ${EXPORT_FORMATS.join(', ')}`);
  return format;
}

/** Reads to the end, over as many answers as it takes. */
async function readAll(
  api: EventsApi,
  format: EventExportFormat,
  target: ExportTarget,
  onProgress: () => void,
  signal?: AbortSignal,
): Promise<void> {
  for (const retries = new Retries(); ;) {
    try {
      const cursor = await cursorOf(api, target.position, format);
      const query = { format, ...(cursor !== undefined && { cursor }) };
      const chunks = await api.open('/v1/events/export', query, {}, signal);
      // Each answer begins with the head of CSV, but a file has it once.
      let heads = format === 'csv' ? CSV_HEAD : 0;
      const keepsHead = target.position.hasHead !== true;
      for await (const lines of wholeLines(format === 'ndjson.gz' ? unzipped(chunks) : chunks)) {
        const content = heads > 0 && !keepsHead ? lines.subarray(lines.indexOf(NEW_LINE) + 1) : lines;
        await target.write(content, positionAfter(lines, heads, target.position));
        heads = 0;
        onProgress();
        retries.reset();
      }
      return;
    } catch (error) {
      if (signal?.aborted) throw interrupted('the export was stopped');
      await retries.wait(error, signal && { signal });
    }
  }
}

function positionAfter(lines: Buffer, heads: number, before: ExportPosition): ExportPosition {
  const { count, hasHead = heads > 0 } = before;
  let added = -heads;
  for (let at = lines.indexOf(NEW_LINE); at >= 0; at = lines.indexOf(NEW_LINE, at + 1)) added++;
  if (added === 0) return { ...before, hasHead };
  const lastLine = lines.toString('utf8', lines.lastIndexOf(NEW_LINE, lines.length - 2) + 1, lines.length - 1);
  return { count: count + added, hasHead, lastLine };
}

/**
 * The index of the last event that arrived. The lines of NDJSON are the exact bytes of events, which do not contain the
 * index: it is read by the id.
 */
async function cursorOf(
  api: EventsApi,
  { lastLine, cursor }: ExportPosition,
  format: EventExportFormat,
): Promise<string | undefined> {
  if (lastLine === undefined) return cursor;
  if (format === 'csv') return /^\d+/.exec(lastLine)?.[0];
  const { metadata } = JSON.parse(lastLine) as { metadata: { uid: string } };
  return String((await api.event(metadata.uid)).index);
}

/** Cuts a stream after the last end of a line in each part of it. @throws ServiceError when its last line is not whole */
async function* wholeLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  for await (const part of chunks) {
    const chunk = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    const end = chunk.lastIndexOf(NEW_LINE) + 1;
    if (end > 0) yield Buffer.concat([...rest, chunk.subarray(0, end)]);
    if (end > 0) rest = [];
    if (end < chunk.length) rest.push(chunk.subarray(end));
  }
  if (rest.length > 0) throw interrupted('the export ended within a line');
}

/** Decompresses a stream. One that breaks off yields what arrived, so an export continues from there. */
async function* unzipped(chunks: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip();
  const source = Readable.from(chunks, { objectMode: false });
  let fault: Error | undefined;
  // Ends the decompression also after a fault, which flushes the output so far.
  source.once('error', (error: Error) => {
    fault = error;
    gunzip.end();
  });
  source.pipe(gunzip);
  try {
    for await (const chunk of gunzip) yield chunk as Uint8Array;
  } catch (error) {
    throw fault ?? interrupted(`the compressed answer is damaged (${(error as NodeJS.ErrnoException).code})`);
  } finally {
    source.destroy();
  }
  if (fault !== undefined) throw fault;
}

function standardOutput(format: EventExportFormat, position: ExportPosition): ExportTarget {
  return {
    position,
    async write(lines, after) {
      if (!process.stdout.write(format === 'ndjson.gz' ? gzipSync(lines) : lines)) await once(process.stdout, 'drain');
      this.position = after;
    },
  };
}

/** A progress bar on standard error. Its share is that of the time between the oldest and the newest event that match. */
class Progress {
  private constructor(
    private readonly bar: SingleBar | undefined,
    private readonly from: number,
    private readonly to: number,
  ) {}

  static async open(api: EventsApi): Promise<Progress> {
    if (!process.stderr.isTTY) return new Progress(undefined, 0, 0);
    const [oldest, newest] = await Promise.all(
      ['asc', 'desc'].map(async (order) => (await api.page({ order, limit: '1' })).items[0]?.time),
    );
    const [from, to] = [Date.parse(oldest ?? ''), Date.parse(newest ?? '')];
    const format = '{bar} {percentage} %, {events} events, {rate} per second, {eta_formatted} remaining';
    const bar = new SingleBar({ format, stream: process.stderr, hideCursor: true, etaBuffer: 50 });
    bar.start(Math.max(1, to - from || 1), 0, { events: 0, rate: 0 });
    return new Progress(bar, from, to);
  }

  show({ count, lastLine = '' }: ExportPosition, format: EventExportFormat, rate: number): void {
    if (this.bar === undefined) return;
    const found = format === 'csv' ? /\d{4}-\d\d-\d\dT[\d:.]+Z/ : /"time":\s*(\d+)/;
    const [whole = '', milliseconds] = found.exec(lastLine) ?? [];
    const time = milliseconds === undefined ? Date.parse(whole) : Number(milliseconds);
    this.bar.update(Math.min(Math.max(0, (time || this.from) - this.from), this.to - this.from), {
      events: count,
      rate,
    });
  }

  close(): void {
    this.bar?.stop();
  }
}
