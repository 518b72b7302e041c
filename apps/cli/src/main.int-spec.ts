import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { jest } from '@jest/globals';

jest.setTimeout(90_000);

/** Runs the command of the build as a process. */
function countersign(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<[number, string, string]> {
  const main = join(process.cwd(), 'dist', 'bin', 'cli.js');
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, ...args],
      { env: { PATH: process.env['PATH'] ?? '', ...env } },
      (error, out, err) => resolve([error === null ? 0 : Number(error.code), out, err]),
    );
  });
}

describe('countersign', () => {
  it('uses the bus of the environment, and ends with code 1 and one line after a fault', async () => {
    const env = {
      KAFKA_BROKERS: process.env['TEST_KAFKA_BROKERS'] ?? '',
      TOPIC_PREFIX: `c${randomBytes(6).toString('hex')}.`,
    };
    expect(await countersign(['dead-letters', 'list'], env)).toEqual([0, 'no dead letters\n', '']);
    expect(await countersign(['dead-letters', 'list', '--json'], env)).toEqual([0, '[]\n', '']);
    const [code, out, err] = await countersign(['dead-letters', 'replay', 'none'], env);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^there is no dead letter with this id: .*\n$/);
    expect(await countersign(['groups', 'accept-loss', 'audit'], env)).toEqual([
      1,
      '',
      'there is no group audit: a group has the name of its service\n',
    ]);
  });

  it('names a missing setting', async () => {
    const [code, , err] = await countersign(['dead-letters', 'list'], {});
    expect(code).toBe(1);
    expect(err).toContain('KAFKA_BROKERS must be set');
  });

  it('verifies the audit log, with code 3 for wrong usage, which is no statement about the log', async () => {
    for (const args of [
      ['verify'],
      ['verify', '--unknown'],
      ['verify', '--log-key', 'x', '--folder', '.'],
      ['prove'],
    ]) {
      const [code, out, err] = await countersign(['log', ...args], {});
      expect([args, code, out]).toEqual([args, 3, '']);
      expect(err).toMatch(/log-key|unknown option|missing required argument/);
    }
    expect((await countersign(['log', 'verify', '--help'], {}))[0]).toBe(0);
  });
});
