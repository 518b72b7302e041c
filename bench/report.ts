import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of results in the repository; this file runs from `build/bench`. */
const RESULTS = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bench', 'results');

/** Stores the results of the last run of each bench, for comparisons. */
export function keep(bench: string, result: object): void {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, `${bench}.json`), `${JSON.stringify(result, undefined, 2)}\n`);
}

/** One line of the report on the terminal. */
export const row = (name: string, value: string): string => `${name.padEnd(66)} ${value}`;

/** Prints progress to standard error, apart from the report. */
export const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** A table in Markdown, to be copied into a page. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = (at: number): number => Math.max(...[head, ...rows].map((cells) => (cells[at] ?? '').length));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => cell.padEnd(width(at))).join(' | ')} |`;
  return [line(head), line(head.map((_, at) => '-'.repeat(width(at)))), ...rows.map(line)].join('\n');
}
