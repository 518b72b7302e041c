import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { temporaryFolder } from '../product.js';
import { Program } from '../program.js';

const PORTS = { SWAIG_PORT: '0', REST_PORT: '0', OPS_PORT: '0' };
const COMMAND_LIMIT_MS = 15_000;

describe('the first start on a machine with nothing on it', () => {
  let folder: string;
  let product: Program;
  const start = (): Program => Program.start('all-in-one', { ...PORTS, DATA_DIR: join(folder, 'data') });

  beforeAll(async () => {
    folder = await temporaryFolder();
    product = start();
    await product.ready();
  }, 120_000);
  afterAll(async () => {
    await product.stop().finally(() => rm(folder, { recursive: true, force: true }));
  }, 60_000);

  const command = (): string =>
    product.output
      .split('\n')
      .find((line) => line.trim().startsWith('curl '))
      ?.trim() ?? '';
  const adminKey = (): string => /administrator key .*: (\S+)/.exec(product.output)?.[1] ?? '';

  it('prints a command that verifies the PIN of the demo customer when it is pasted into a shell', async () => {
    const { stdout } = await promisify(execFile)('sh', ['-c', command()], { timeout: COMMAND_LIMIT_MS });
    expect(JSON.parse(stdout)).toMatchObject({
      response: 'Thank you, Alex. How can I help you today?',
      action: [
        { set_global_data: { verified: true, customer_id: 'demo-customer', verification_level: 'verified' } },
        { set_meta_data: { receipt: expect.any(String) } },
        {
          toggle_functions: [
            { function: 'get_balance', active: true },
            { function: 'transfer_funds', active: true },
          ],
        },
      ],
    });
  });

  it("prints the administrator's key, which works, and keeps the keys where only the owner can read them", async () => {
    const { rest } = await product.ready();
    const headers = { authorization: `Bearer ${adminKey()}` };
    const answer = await fetch(`${rest}/v1/tenants/demo/subjects/demo-customer`, { headers });
    expect([answer.status, await answer.json()]).toEqual([
      200,
      expect.objectContaining({ pinEnrolled: true, phones: 1 }),
    ]);
    for (const name of ['ADMIN_API_KEY', 'CREDENTIAL_KEYS', 'IDENTIFIER_KEY', 'RECEIPT_KEYS', 'SEALING_PRIVATE_KEYS']) {
      expect((await stat(join(folder, 'data', 'secrets', name))).mode & 0o777).toBe(0o600);
    }
  });

  it('shows the key and makes the demo once: the next start keeps both and prints neither', async () => {
    const { stdout: first } = await promisify(execFile)('sh', ['-c', command()], { timeout: COMMAND_LIMIT_MS });
    const headers = { authorization: `Bearer ${adminKey()}` };
    expect((await product.stop()).code).toBe(0);
    product = start();
    const { rest } = await product.ready();
    expect([command(), adminKey()]).toEqual(['', '']);
    const answer = await fetch(`${rest}/v1/tenants/demo/subjects/demo-customer`, { headers });
    expect(answer.status).toBe(200);
    expect(first).toContain('"verified":true');
  }, 60_000);
});

describe('npm start', () => {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

  it('hands a signal on to the product, which stops cleanly and leaves nothing running', async () => {
    const folder = await temporaryFolder();
    const { PATH, HOME } = process.env;
    const env = { PATH, HOME, ...PORTS, DATA_DIR: join(folder, 'data') };
    const npm = spawn('npm', ['start'], { cwd: root, env, stdio: ['ignore', 'pipe', 'ignore'] });
    const exited = once(npm, 'exit');
    try {
      let output = '';
      npm.stdout.on('data', (part: Buffer) => (output += part.toString()));
      const ops = await eventually('the line ready', () => /^ready .*ops=(\S+)/m.exec(output)?.[1], 90_000);
      npm.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
      await expect(fetch(`${ops}/health/live`)).rejects.toThrow();
    } finally {
      npm.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    }
  }, 120_000);
});
