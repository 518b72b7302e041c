import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, eventually } from '@countersign/testing';
import { parse } from 'yaml';
import { Client, newName, newPhone } from '../client.js';
import { requiredEnv, temporaryFolder } from '../product.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const START_LIMIT_MS = 90_000;
const STOP_LIMIT_MS = 30_000;
const PIN = '48213';
/** Ports are chosen by the test, because several installations share the host. */
const FREE_PORTS = new Set(['SWAIG_PORT', 'REST_PORT', 'AUDIT_PORT', 'OPS_PORT']);

interface ComposeService {
  readonly user: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string | number>>;
}

/** The entry point and the health check of the image. */
interface Image {
  readonly entrypoint: readonly string[];
  readonly healthCheck: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** One service of the file as a process: its command, its environment, its user. */
class Container {
  #output = '';
  readonly #child: ChildProcess;
  readonly #environment: Record<string, string>;
  readonly #account: { uid: number; gid: number } | undefined;
  readonly ended: Promise<number | null>;

  constructor(
    readonly name: string,
    service: ComposeService,
    private readonly image: Image,
    replace: (value: string) => string,
    topicPrefix: string,
  ) {
    const given = Object.entries(service.environment).map(([key, value]): [string, string] => [
      key,
      FREE_PORTS.has(key) ? '0' : replace(String(value)),
    ]);
    this.#environment = { ...image.environment, ...Object.fromEntries(given), TOPIC_PREFIX: topicPrefix };
    this.#account = accountOf(service);
    this.#child = spawn(program(image.entrypoint), [...image.entrypoint.slice(1), ...service.command], {
      cwd: root,
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...this.#account,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    }
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', resolve);
    });
    this.ended.catch(() => undefined);
  }

  /** The addresses of its `ready` line, as this host reaches them. */
  async ready(): Promise<Readonly<Record<string, string>>> {
    const line = await eventually(
      `${this.name} is ready`,
      () => {
        if (this.#child.exitCode !== null) throw new Error(`${this.name} ended:\n${this.#output.slice(-4000)}`);
        return this.#output.split('\n').find((text) => text.includes('"msg":"ready"'));
      },
      START_LIMIT_MS,
    );
    const { urls } = JSON.parse(line) as { urls: Record<string, string> };
    return Object.fromEntries(
      Object.entries(urls).map(([purpose, url]) => [purpose, url.replace('0.0.0.0', '127.0.0.1')]),
    );
  }

  /** Runs the health check of the image beside the process, as an engine does. */
  healthy(opsUrl: string): boolean {
    const [first = '', ...rest] = this.image.healthCheck;
    const env = { ...this.#environment, OPS_PORT: new URL(opsUrl).port };
    return spawnSync(program([first]), rest, { env, timeout: 5_000, ...this.#account }).status === 0;
  }

  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    return this.ended.finally(() => clearTimeout(limit));
  }
}

describe('docker-compose.yml, run without an engine', () => {
  const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
    services: Record<string, ComposeService>;
  };
  const image = readImage(readFileSync(join(root, 'Dockerfile'), 'utf8'));
  const ours = readdirSync(join(root, 'apps')).filter((app) => !['all-in-one', 'cli', 'console'].includes(app));
  const adminKey = (): string => readFileSync(join(folder, 'ADMIN_API_KEY'), 'utf8');
  let folder: string;
  let database: Awaited<ReturnType<typeof createTestDatabase>>;
  const containers: Container[] = [];
  const urls: Record<string, Readonly<Record<string, string>>> = {};

  beforeAll(async () => {
    folder = await temporaryFolder();
    database = await createTestDatabase();
    // Secrets as a user creates them; only the address of the database differs.
    const cli = join(root, 'dist', 'bin', 'cli.js');
    const made = spawnSync(process.execPath, [cli, 'secrets', 'create', folder], { encoding: 'utf8' });
    expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' });
    writeFileSync(join(folder, 'DATABASE_URL'), database.url);
    // As root, the services run as another user, who must own the secrets.
    const account = accountOf(compose.services['verification'] ?? { user: '' });
    for (const name of account ? [...readdirSync(folder), '.'] : []) {
      chownSync(join(folder, name), account?.uid ?? 0, account?.gid ?? 0);
    }
    const brokers = requiredEnv('TEST_KAFKA_BROKERS');
    const replace = (value: string): string =>
      withDefault(value).replace('/run/secrets', folder).replace('kafka:9092', brokers);
    const topicPrefix = `compose-${randomBytes(6).toString('hex')}.`;
    for (const name of ours) {
      const service = compose.services[name];
      if (!service) throw new Error(`docker-compose.yml has no ${name}`);
      containers.push(new Container(name, service, image, replace, topicPrefix));
    }
    for (const container of containers) urls[container.name] = await container.ready();
  }, 120_000);

  afterAll(async () => {
    await Promise.all(containers.map((container) => container.stop()));
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  it("starts every service healthy according to the image's health check", async () => {
    for (const container of containers) {
      const ops = urls[container.name]?.['ops'] ?? '';
      await eventually(`${container.name} is healthy`, () => container.healthy(ops), 30_000);
    }
    expect(containers.map(({ name }) => name).sort()).toEqual([...ours].sort());
  }, 60_000);

  it('verifies a PIN over SWAIG and over REST', async () => {
    const client = new Client({
      adminKey: adminKey(),
      swaigUrls: () => [urls['swaig-adapter']?.['swaig'] ?? ''],
      restUrls: () => [urls['rest-adapter']?.['rest'] ?? ''],
      auditUrls: () => [],
      opsUrls: () => [],
      logs: () => '',
      terminate: () => Promise.resolve([]),
      startAgain: () => Promise.resolve(),
      remove: () => Promise.resolve(),
    });
    const tenant = newName('tenant');
    const subject = newName('customer');
    const caller = newPhone();
    await client.putTenant(tenant);
    const agent = await client.createAgent(tenant);
    await client.putSubject(tenant, subject, { phones: [caller] });
    await client.putPin(tenant, subject, PIN);
    const spoken = await client.swaig(agent, { pin: PIN, caller });
    expect(spoken.status).toBe(200);
    expect((spoken.json as { action: unknown[] }).action[0]).toMatchObject({
      set_global_data: { verified: true, customer_id: subject },
    });
    expect((await client.verify(agent, { subject, pin: PIN })).json).toMatchObject({ outcome: 'verified' });
  }, 60_000);

  it('stops every service on SIGTERM with code 0, long before an engine would kill it', async () => {
    const codes = await Promise.all(containers.map(async (one) => [one.name, await one.stop()]));
    expect(codes).toEqual(containers.map(({ name }) => [name, 0]));
  }, 60_000);
});

function readImage(dockerfile: string): Image {
  const list = (found: RegExpExecArray | null): string[] => JSON.parse(found?.[1] ?? '[]') as string[];
  const variables = [...dockerfile.matchAll(/^ENV (\w+)=(\S+)$/gm)].map(([, key = '', value = '']) => [key, value]);
  return {
    entrypoint: list(/^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)),
    healthCheck: list(/^HEALTHCHECK [\s\S]*?CMD (\[.*\])$/m.exec(dockerfile)),
    environment: Object.fromEntries(variables) as Record<string, string>,
  };
}

/** The default in a value of the file, for a variable that is not set. */
function withDefault(value: string): string {
  return value.replace(/^\$\{\w+:-(.*)\}$/, '$1');
}

/** The image has one `node`; here it is the one that runs the tests. */
function program([first]: readonly string[]): string {
  if (first !== 'node') throw new Error('The image is expected to run node and nothing else');
  return process.execPath;
}

/**
 * The user of the file, if this process may change to it: as root, when that user may read the repository and run Node.
 * Otherwise the services run as the user of the tests, and the test reports that.
 */
function accountOf({ user }: Pick<ComposeService, 'user'>): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const [uid = 0, gid = 0] = withDefault(user).split(':').map(Number);
  const look = `require('node:fs').accessSync(${JSON.stringify(join(root, 'dist', 'apps'))})`;
  if (spawnSync(process.execPath, ['-e', look], { uid, gid }).status === 0) return { uid, gid };
  process.stderr.write(`user ${user} may not read ${root}: the services of docker-compose.yml run as root here\n`);
  return undefined;
}
