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

/** Runs a command of the build as a process, with these variables alone. */
export function runCli(
  env: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<{ readonly code: number; readonly out: string; readonly output: string }> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env['PATH'] ?? '', ...env }, timeout: LIMIT_MS };
    execFile(process.execPath, [MAIN, ...args], options, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, output: out + err }),
    );
  });
}

/** Runs `countersign doctor`. */
export async function doctor(env: Readonly<Record<string, string>>, ...args: string[]): Promise<Diagnosed> {
  const startedAt = performance.now();
  const { code: exitCode, out, output } = await runCli(env, 'doctor', '--json', ...args);
  const seconds = (performance.now() - startedAt) / 1000;
  try {
    const { checks } = JSON.parse(out) as { checks: readonly DiagnosedLine[] };
    return { exitCode, lines: checks, output, seconds };
  } catch {
    throw new Error(`the doctor printed no report: ${output}`);
  }
}

/** The checks that found something, each once. */
export const complaints = ({ lines }: Diagnosed): string[] => [
  ...new Set(lines.filter(({ status }) => ['warning', 'failed'].includes(status)).map(({ check }) => check)),
];
