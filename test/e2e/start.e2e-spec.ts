import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { temporaryFolder } from '../product.js';
import { Program } from '../program.js';

const PORTS = { SWAIG_PORT: '0', REST_PORT: '0', AUDIT_PORT: '0', OPS_PORT: '0' };
const COMMAND_LIMIT_MS = 15_000;
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

describe('the first start on a new machine', () => {
  let folder: string;
  let product: Program;
  const dataDir = (): string => join(folder, 'data');
  const start = (more: Record<string, string> = {}): Program =>
    Program.start('all-in-one', { ...PORTS, DATA_DIR: dataDir(), ...more });
  const pasted = (command: string) => promisify(execFile)('sh', ['-c', command], { timeout: COMMAND_LIMIT_MS });

  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  afterAll(async () => {
    await product.stop().finally(() => rm(folder, { recursive: true, force: true }));
  }, 60_000);

  const command = (output = product.output): string =>
    output
      .split('\n')
      .find((line) => line.trim().startsWith('curl '))
      ?.trim() ?? '';
  const adminKey = (): Promise<string> => readFile(join(dataDir(), 'secrets', 'ADMIN_API_KEY'), 'utf8');

  it('keeps the key and the demo when it fails because a port is taken', async () => {
    const occupied = createServer();
    await new Promise<void>((resolve) => occupied.listen(0, '127.0.0.1', resolve));
    const { port } = occupied.address() as AddressInfo;
    product = start({ REST_PORT: String(port) });
    expect((await product.ended).code).toBe(1);
    expect(product.output).toContain(`Port ${port} is taken`);
    await new Promise((resolve) => occupied.close(resolve));
    product = start();
    await product.ready();
    expect(product.output).toContain(`administrator key: in ${join(dataDir(), 'secrets', 'ADMIN_API_KEY')}`);
    expect(command()).toBe(`curl --config '${join(dataDir(), 'demo.curl')}'`);
  }, 120_000);

  it('prints no warning', () => {
    expect(product.output).not.toMatch(/warn|"level":(40|50|60)/i);
  });

  it('prints a command that verifies the PIN of the demo customer when it is pasted into a shell', async () => {
    const { stdout } = await pasted(command());
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

  it('prints secrets to a terminal only, and stores them in files that only the owner can read', async () => {
    const demo = JSON.parse(await readFile(join(dataDir(), 'demo.json'), 'utf8')) as Record<string, string>;
    for (const secret of [await adminKey(), demo['password'], demo['apiKey']]) {
      expect(secret).toBeTruthy();
      expect(product.output).not.toContain(secret);
    }
    const { rest } = await product.ready();
    const headers = { authorization: `Bearer ${await adminKey()}` };
    const answer = await fetch(`${rest}/v1/tenants/demo/subjects/demo-customer`, { headers });
    expect([answer.status, await answer.json()]).toEqual([
      200,
      expect.objectContaining({ pinEnrolled: true, displayName: 'Alex', phones: [expect.any(String)] }),
    ]);
    const secrets = ['ADMIN_API_KEY', 'CREDENTIAL_KEYS', 'IDENTIFIER_KEY', 'RECEIPT_KEYS', 'SEALING_PRIVATE_KEYS'];
    for (const name of [...secrets.map((secret) => join('secrets', secret)), 'demo.json', 'demo.curl']) {
      expect((await stat(join(dataDir(), name))).mode & 0o777).toBe(0o600);
    }
  });

  it('creates a demo that the command line shows again, with the values for the examples', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      join(root, 'dist', 'bin', 'cli.js'),
      ...['demo', '--data-dir', dataDir()],
    ]);
    expect(stdout).toMatch(/export COUNTERSIGN_API_KEY='\S+'/);
    expect((await pasted(command(stdout))).stdout).toContain('"verified":true');
  });

  it('alone prints the key to a terminal, and the printed command works', async () => {
    expect((await product.stop()).code).toBe(0);
    const onTerminal = async (): Promise<string> => {
      const env = { PATH: process.env['PATH'] ?? '', ...PORTS, DATA_DIR: dataDir() };
      const main = join(root, 'dist', 'bin', 'all-in-one.js');
      const terminal = spawn('script', ['-qfec', `${process.execPath} ${main}`, '/dev/null'], { cwd: root, env });
      let output = '';
      terminal.stdout.on('data', (part: Buffer) => (output += part.toString().replaceAll('\r', '')));
      const exited = once(terminal, 'exit');
      await eventually('the welcome', () => /countersign -- demo/.test(output), 90_000);
      const shown = output;
      if (command(shown) !== '') expect((await pasted(command(shown))).stdout).toContain('"verified":true');
      terminal.stdin.write('\x03');
      await exited;
      return shown;
    };
    expect(await onTerminal()).toContain(`: ${await adminKey()}`);
    expect(await onTerminal()).not.toContain(await adminKey());
  }, 180_000);
});

describe('a start that cannot succeed', () => {
  const refused = async (env: Record<string, string>): Promise<string> => {
    const program = Program.start('all-in-one', { ...PORTS, ...env });
    const { code } = await program.ended;
    expect(code).toBe(1);
    return program.output;
  };

  it.each([
    ['/proc/countersign', 'is in a place where no folder can be created'],
    ['/proc', 'DATA_DIR must be a folder that can be written to'],
    [fileURLToPath(import.meta.url), 'is a file'],
    [join(fileURLToPath(import.meta.url), 'data'), 'is a file'],
  ])(
    'names DATA_DIR in one line when it is %s',
    async (folder, reason) => {
      const output = await refused({ DATA_DIR: folder });
      expect(output.trim().split('\n')).toHaveLength(1);
      expect(output).toContain('DATA_DIR');
      expect(output).toContain(reason);
    },
    60_000,
  );

  it.each([
    ['PUBLIC_URL', 'https://verify.example.com/swaig'],
    ['KAFKA_BROKERS', 'localhost:99999'],
    ['KAFKA_BROKERS', 'http://localhost:9092'],
  ])(
    'names %s when it is %s, before anything is started',
    async (name, value) => {
      const folder = join(await temporaryFolder(), 'data');
      expect(await refused({ DATA_DIR: folder, [name]: value })).toContain(name);
      expect(existsSync(folder)).toBe(false);
    },
    60_000,
  );

  it('reports every few seconds that the broker is unreachable, and ends on a signal without a stack trace', async () => {
    const folder = await temporaryFolder();
    const program = Program.start('all-in-one', {
      ...PORTS,
      DATA_DIR: join(folder, 'data'),
      KAFKA_BROKERS: '127.0.0.1:1',
    });
    try {
      await eventually('a line about the broker', () => program.output.includes('waiting for it'), 90_000);
      const { code } = await program.stop('SIGINT');
      expect(code).toBe(0);
      expect(program.output.split('\n').length).toBeLessThan(20);
      expect(program.output).toContain('KAFKA_BROKERS');
      expect(program.output).not.toMatch(/^ +at /m);
    } finally {
      // An interrupted start ends after 10 s; on a busy machine the database may still write its last files then.
      await rm(folder, { recursive: true, force: true, maxRetries: 20 });
    }
  }, 120_000);
});

describe('npm start', () => {
  it('passes a signal on to the product, which stops cleanly and leaves no process running', async () => {
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
