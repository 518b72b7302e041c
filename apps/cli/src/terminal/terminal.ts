import { ServiceError } from '@countersign/runtime';

/** Takes one or more lines for the terminal. */
export type Write = (text: string) => void;

export const toTerminal: Write = (text) => void process.stdout.write(`${text}\n`);

/** Runs a command. A fault is one line on standard error and exit code 1. */
export async function reportFault(command: () => void | Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

/** The fault of an argument or a setting that a command cannot use. */
export function refusedSetting(what: string): ServiceError {
  return new ServiceError('SETTINGS_INVALID', what, false);
}

/** Text with aligned columns. @param head empty: no head */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = head.length === 0 ? rows : [head, ...rows];
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
