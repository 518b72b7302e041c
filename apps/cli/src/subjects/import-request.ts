import { once } from 'node:events';
import { request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { createInterface } from 'node:readline';
import { type ImportedRow } from '@countersign/contracts';
import { type Api } from './rest-api.js';
import { type SourceRow } from './source-rows.js';

/** Rows that are sent and have no result yet, at most, and their size in characters. Bounds the memory. */
const MAX_OPEN = { rows: 2_000, characters: 4_194_304 };
/** Without a result for this long, in milliseconds, the connection counts as lost. */
const SILENCE_MS = 180_000;

/** An import that a repetition may complete: the connection was lost, or a service is overloaded. */
export class ImportInterrupted extends Error {
  override readonly name = 'ImportInterrupted';
}

/** The API refused the request, with this status. */
export class ImportRefused extends Error {
  override readonly name = 'ImportRefused';
  constructor(readonly status: number) {
    super(`status ${status}`);
  }
}

export interface ImportRequestOptions {
  readonly importId: string;
  readonly dryRun: boolean;
  /** Every line up to this one has its result already, and is not sent. */
  readonly after: number;
  readonly onResult: (row: SourceRow, result: ImportedRow) => void;
}

/**
 * Sends rows in one request, and reads the results while it sends.
 * @throws ImportInterrupted, ImportRefused; rows without a result can be sent again
 */
export async function sendRows(api: Api, rows: AsyncIterable<SourceRow>, options: ImportRequestOptions): Promise<void> {
  const { importId, dryRun, after } = options;
  const query = new URLSearchParams({ importId, firstLine: String(after + 1), dryRun: String(dryRun) }).toString();
  const url = new URL(`${api.url}/v1/tenants/${encodeURIComponent(api.tenant)}/subjects:import?${query}`);
  const begin = url.protocol === 'https:' ? requestHttps : requestHttp;
  const headers = { authorization: api.authorization, 'content-type': 'application/x-ndjson' };
  const request = begin(url, { method: 'POST', headers });
  const interrupted = (): ImportInterrupted => new ImportInterrupted('the connection to the REST API was lost');
  request.setTimeout(SILENCE_MS, () => request.destroy(interrupted()));
  const open = new OpenRows();
  const failed = new Promise<never>((_, reject) => {
    request.once('error', () => reject(interrupted()));
  });
  const results = Promise.race([once(request, 'response') as Promise<[IncomingMessage]>, failed]).then(([response]) =>
    readResults(response, open, options),
  );
  try {
    await Promise.race([
      Promise.all([results, send(request, rows, open, after)]),
      failed,
      results.then(() => undefined),
    ]);
    await results;
    if (open.size > 0) throw interrupted();
  } finally {
    failed.catch(() => undefined);
    results.catch(() => undefined);
    open.abort();
    request.destroy();
  }
}

async function send(
  request: ClientRequest,
  rows: AsyncIterable<SourceRow>,
  open: OpenRows,
  after: number,
): Promise<void> {
  let sentLine = after;
  let wake: (() => void) | undefined;
  for (const event of ['drain', 'close']) request.on(event, () => wake?.());
  for await (const row of rows) {
    if (row.line <= after) continue;
    await open.add(row);
    if (open.isAborted) return;
    // Empty lines stand for those of the file that have no row of their own, so that the API numbers lines like the file.
    const text = `${'\n'.repeat(row.line - sentLine - 1)}${row.json}\n`;
    sentLine = row.line;
    if (!request.write(text) && !request.destroyed) await new Promise<void>((resolve) => (wake = resolve));
  }
  request.end();
}

async function readResults(
  response: IncomingMessage,
  open: OpenRows,
  { onResult }: ImportRequestOptions,
): Promise<void> {
  const { statusCode: status = 0 } = response;
  if (status === 429 || status >= 500)
    throw new ImportInterrupted('the REST API is overloaded, or another import of the tenant runs');
  if (status !== 200) throw new ImportRefused(status);
  const lines = createInterface({ input: response, crlfDelay: Infinity });
  response.once('error', () => lines.close());
  for await (const text of lines) {
    const result = parsed(text);
    if (result === undefined) throw new ImportInterrupted('the import ended early: a service is down or overloaded');
    const row = open.take(result.line);
    if (row) onResult(row, result);
  }
  if (!response.complete) throw new ImportInterrupted('the connection to the REST API was lost');
}

/** Undefined for the problem that ends an answer, and for a line that is cut off. */
function parsed(text: string): ImportedRow | undefined {
  try {
    const result = JSON.parse(text) as Partial<ImportedRow>;
    return result.line === undefined ? undefined : (result as ImportedRow);
  } catch {
    return undefined;
  }
}

/** The rows that are sent and have no result yet. */
class OpenRows {
  readonly #rows = new Map<number, SourceRow>();
  #characters = 0;
  #wake: (() => void) | undefined;
  isAborted = false;

  get size(): number {
    return this.#rows.size;
  }

  /** Waits until there is room for the row. */
  async add(row: SourceRow): Promise<void> {
    while (!this.isAborted && (this.#rows.size >= MAX_OPEN.rows || this.#characters >= MAX_OPEN.characters))
      await new Promise<void>((resolve) => (this.#wake = resolve));
    this.#rows.set(row.line, row);
    this.#characters += row.json.length;
  }

  take(line: number): SourceRow | undefined {
    const row = this.#rows.get(line);
    if (row) {
      this.#rows.delete(line);
      this.#characters -= row.json.length;
      this.#wake?.();
    }
    return row;
  }

  abort(): void {
    this.isAborted = true;
    this.#wake?.();
  }
}
