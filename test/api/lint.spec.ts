import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';

const LINTER = join(process.cwd(), 'node_modules', '@redocly', 'cli', 'bin', 'cli.js');
const LIMIT_MS = 60_000;

/** Without looking for a newer version and without reporting its use. */
const OFFLINE = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };

function lint(...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, ...OFFLINE }, timeout: LIMIT_MS };
    execFile(process.execPath, [LINTER, 'lint', ...args], options, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1) || 1, output: `${out}\n${err}` });
    });
  });
}

it(
  'redocly finds no error in docs/openapi.json by its recommended rules',
  async () => {
    const { code, output } = await lint('docs/openapi.json', '--format', 'stylish');
    expect({ code, output: code === 0 ? '' : output }).toEqual({ code: 0, output: '' });
    expect(output).toContain('Your API description is valid');
  },
  2 * LIMIT_MS,
);
