import { execFile } from 'node:child_process';
import { join } from 'node:path';

const MAIN = join(process.cwd(), 'dist', 'bin', 'cli.js');
const LIMIT_MS = 90_000;

/** A line of the report. */
export interface DiagnosedLine {
  readonly check: string;
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly text: string;
  readonly cure?: string;
}

/** What a run of the command printed. */
export interface Diagnosed {
  readonly exitCode: number;
  readonly lines: readonly DiagnosedLine[];
  readonly output: string;
  readonly seconds: number;
}

/** Runs the command of the build as a process. */
export function doctor(env: Readonly<Record<string, string>>, ...args: string[]): Promise<Diagnosed> {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const options = { env: { PATH: process.env['PATH'] ?? '', ...env }, timeout: LIMIT_MS };
    execFile(process.execPath, [MAIN, 'doctor', '--json', ...args], options, (error, out, err) => {
      const exitCode = error === null ? 0 : Number(error.code);
      const seconds = (performance.now() - startedAt) / 1000;
      try {
        const { checks } = JSON.parse(out) as { checks: readonly DiagnosedLine[] };
        resolve({ exitCode, lines: checks, output: out + err, seconds });
      } catch {
        reject(new Error(`the doctor printed no report: ${out}${err}`));
      }
    });
  });
}

/** The checks that found something, each once. */
export const complaints = ({ lines }: Diagnosed): string[] => [
  ...new Set(lines.filter(({ status }) => ['warning', 'failed'].includes(status)).map(({ check }) => check)),
];
