import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parse, type Info } from 'csv-parse';
import { refusedSetting } from '../terminal/terminal.js';

/** A row of the file to import. */
export interface SourceRow {
  /** Number of the line of the file on which the row ends, from 1. */
  readonly line: number;
  /** Bytes of the file up to the end of the row, about. */
  readonly bytes: number;
  /** As the API takes it. */
  readonly json: string;
  /** The row for the file of rejected rows, with the reason. */
  rejected(reason: string): string;
}

/** Rows of a file, one after the other, and the first line of its file of rejected rows. */
export interface Source {
  readonly rows: AsyncIterable<SourceRow>;
  readonly rejectedHead: string;
}

const COLUMNS = ['subject', 'phones', 'displayName', 'locale', 'pin', 'pinHash', 'forceChange'];
/** Columns of the file of rejected rows, which are not sent, so that the corrected file can be imported. */
const NOTES = ['_line', '_reason'];
/** The maximum size of a CSV record, in characters. The API accepts less. */
const MAX_RECORD = 65_536;

/**
 * Opens a file: NDJSON if its name ends with .ndjson or .jsonl, CSV otherwise.
 * @throws ServiceError SETTINGS_INVALID when it cannot be read, or has no usable columns
 */
export async function openSource(file: string): Promise<Source> {
  return isNdjson(file) ? { rows: ndjsonRows(file), rejectedHead: '' } : await csvSource(file);
}

export const isNdjson = (file: string): boolean => /\.(ndjson|jsonl)$/i.test(file);

async function* ndjsonRows(file: string): AsyncGenerator<SourceRow> {
  const stream = createReadStream(file);
  let line = 0;
  for await (const text of createInterface({ input: stream, crlfDelay: Infinity })) {
    line += 1;
    const bare = (line === 1 ? text.replace(/^\ufeff/, '') : text).trim();
    if (bare === '') continue;
    const fields = objectOf(bare);
    const rejected = (reason: string): string =>
      JSON.stringify({ ...(fields ?? { text: bare }), ...notesOf(line, reason) });
    yield { line, bytes: stream.bytesRead, json: fields ? JSON.stringify(withoutNotes(fields)) : bare, rejected };
  }
}

/** Undefined for a line that is no object; the API says what is wrong with it. */
function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

interface CsvRecord {
  readonly record: string[];
  readonly info: Info;
}

async function csvSource(file: string): Promise<Source> {
  const parser = createReadStream(file).pipe(
    parse({ bom: true, info: true, skip_empty_lines: true, max_record_size: MAX_RECORD }),
  );
  const records = parser[Symbol.asyncIterator]() as AsyncIterator<CsvRecord>;
  const first = await nextRecord(records, file);
  const columns = (first?.record ?? []).map((name) => name.trim());
  const unknown = columns.filter((name) => !COLUMNS.includes(name) && !NOTES.includes(name) && !isAnswer(name));
  if (!columns.includes('subject') || unknown.length > 0) {
    const what = unknown.length > 0 ? `has the unknown column "${unknown[0]}"` : 'has no column "subject"';
    throw refusedSetting(
      `${file} ${what}: its first line must name the columns, which are ${COLUMNS.join(', ')} and answers.<question>`,
    );
  }
  const kept = columns.filter((name) => !NOTES.includes(name));
  return { rows: csvRows(records, columns, file), rejectedHead: csvLine([...kept, ...NOTES]) };
}

async function* csvRows(records: AsyncIterator<CsvRecord>, columns: string[], file: string): AsyncGenerator<SourceRow> {
  for (let next = await nextRecord(records, file); next; next = await nextRecord(records, file)) {
    const { record, info } = next;
    const { lines: line, bytes } = info;
    const cells = columns.map((name, at) => [name, record[at] ?? ''] as const);
    const rejected = (reason: string): string => {
      const kept = cells.filter(([name]) => !NOTES.includes(name)).map(([, cell]) => cell);
      return csvLine([...kept, String(line), reason]);
    };
    yield { line, bytes, json: JSON.stringify(fieldsOf(cells)), rejected };
  }
}

async function nextRecord(records: AsyncIterator<CsvRecord>, file: string): Promise<CsvRecord | undefined> {
  try {
    const next = await records.next();
    return next.done === true ? undefined : next.value;
  } catch (error) {
    const { code, lines } = error as { code?: string; lines?: number };
    // Not the message, which quotes the row.
    throw refusedSetting(`${file} cannot be read as CSV${lines === undefined ? '' : ` at line ${lines}`} (${code})`);
  }
}

/** An empty cell is a field that is not given. */
function fieldsOf(cells: readonly (readonly [string, string])[]): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const answers: Record<string, string> = {};
  for (const [name, cell] of cells) {
    const text = cell.trim();
    if (text === '' || NOTES.includes(name)) continue;
    if (isAnswer(name)) answers[name.slice('answers.'.length)] = text;
    else if (name === 'phones') fields[name] = text.split(/\s*[;,|]\s*/).filter((phone) => phone !== '');
    else if (name === 'forceChange') fields[name] = { true: true, false: false }[text.toLowerCase()] ?? text;
    else fields[name] = text;
  }
  return Object.keys(answers).length === 0 ? fields : { ...fields, answers };
}

const isAnswer = (name: string): boolean => /^answers\.[a-z][a-z0-9_]{0,62}$/.test(name);

const notesOf = (line: number, reason: string): Record<string, unknown> => ({ _line: line, _reason: reason });

function withoutNotes(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !NOTES.includes(name)));
}

const csvLine = (cells: readonly string[]): string =>
  cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',');
