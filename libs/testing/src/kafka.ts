import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { explain, kafkaJars, runToEnd } from './kafka-jars.js';
import { scramUsers, serverProperties, type TestKafkaSecurity } from './kafka-properties.js';

export interface TestKafkaOptions {
  /** One broker, or three with Kafka's internal topics on all of them. Default 1. */
  readonly brokers?: 1 | 3;
  /** The folder of the data, which is kept (for development). Default: a temporary folder that `close` removes. */
  readonly dir?: string;
  /** The ports that the brokers advertise, in their order, such as those of proxies. */
  readonly advertisedPorts?: readonly number[];
  /** Uses all compilers of the JVM, as in production: slower in the first half minute, then faster. For measurements. */
  readonly optimised?: boolean;
  /** Default: every client may do everything. */
  readonly security?: TestKafkaSecurity;
}

export interface KafkaCluster {
  /** `host:port` of every broker. */
  readonly brokers: readonly string[];
  /** The same without TLS and password when `security` is set: for the test's own tools. */
  readonly innerBrokers: readonly string[];
  readonly dataDirs: readonly string[];
  /** The broker's own processes, in the order of `brokers`: for tests that kill one. */
  readonly processes: readonly { readonly pid: number }[];
  /** Kills a broker, as in a crash. Its data remains. */
  kill(broker: number): Promise<void>;
  /** Starts an ended broker with the same port and data, and returns when it answers. */
  restart(broker: number): Promise<void>;
  /** Ends all brokers and waits for them. Idempotent. */
  close(): Promise<void>;
}

const START_LIMIT_MS = 90_000;
const STOP_LIMIT_MS = 10_000;
/** Below the ports of outgoing connections, one of which could else take a port before the broker opens it. */
const [LOWEST_PORT, HIGHEST_PORT] = [10_000, 32_000];

/**
 * The shell becomes the broker (`exec`), so the process id is that of the broker. A second process reads the parent's
 * pipe. When the parent ends for any reason, the pipe closes and the broker is stopped.
 */
const WITH_PARENT = 'exec 3<&0; (cat <&3 >/dev/null; kill $$ 2>/dev/null) & exec "$@" </dev/null 3<&-';

/**
 * Starts a real Apache Kafka (KRaft) on free ports of 127.0.0.1 and returns when it answers.
 * @throws Error that says what to install when Java or Maven is missing, or with the end of the broker's log.
 */
export async function startKafka(options: TestKafkaOptions = {}): Promise<KafkaCluster> {
  const jars = await kafkaJars();
  const kept = options.dir !== undefined;
  const home = options.dir === undefined ? await mkdtemp(join(tmpdir(), 'countersign-kafka-')) : resolve(options.dir);
  const size = options.brokers ?? 1;
  const ports = await freePorts(size * 3);
  const nodes = Array.from({ length: size }, (_, index) => ({
    id: index + 1,
    port: ports[index * 3] ?? 0,
    advertisedPort: options.advertisedPorts?.[index] ?? ports[index * 3] ?? 0,
    innerPort: ports[index * 3 + 1] ?? 0,
    controllerPort: ports[index * 3 + 2] ?? 0,
    dir: join(home, `node-${index + 1}`),
  }));
  const voters = nodes.map((node) => `${node.id}@127.0.0.1:${node.controllerPort}`).join(',');
  // A first byte of 0 makes it begin with a letter, because the storage tool reads a leading dash as an option.
  const clusterId = Buffer.concat([Buffer.alloc(1), randomBytes(15)]).toString('base64url');
  const demands = options.security;
  const security = demands && { demands, certificate: await demands.authority.issue('kafka', ['127.0.0.1']) };
  const children: ChildProcess[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(children.map((child) => stop(child, kept ? 'SIGTERM' : 'SIGKILL')));
    if (!kept) await rm(home, { recursive: true, force: true });
  };
  const start = (broker: number): Promise<void> => {
    const dir = nodes[broker]?.dir;
    if (dir === undefined) throw new Error(`There is no broker ${broker}`);
    const { child, started } = run(jars, join(dir, 'server.properties'), options.optimised === true);
    children[broker] = child;
    return started;
  };
  try {
    await Promise.all(
      nodes.map(async (node) => {
        const properties = join(node.dir, 'server.properties');
        await mkdir(node.dir, { recursive: true });
        await writeFile(properties, serverProperties(node, voters, size, security));
        if (!existsSync(join(node.dir, 'data', 'meta.properties'))) {
          const users = demands ? scramUsers(demands) : [];
          const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', properties, ...users];
          await runToEnd('java', ['-XX:TieredStopAtLevel=1', '-cp', join(jars, '*'), ...format]);
        }
      }),
    );
    await Promise.all(nodes.map((_, broker) => start(broker)));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    brokers: nodes.map((node) => `127.0.0.1:${node.port}`),
    innerBrokers: nodes.map((node) => `127.0.0.1:${options.security ? node.innerPort : node.port}`),
    dataDirs: nodes.map((node) => join(node.dir, 'data')),
    get processes() {
      return children.map((child) => ({ pid: child.pid ?? 0 }));
    },
    kill: async (broker) => {
      const child = children[broker];
      if (child !== undefined) await stop(child, 'SIGKILL');
    },
    restart: start,
    close,
  };
}

function run(jars: string, properties: string, optimised: boolean): { child: ChildProcess; started: Promise<void> } {
  const java = [
    ...['java', '-Xmx256m', ...(optimised ? [] : ['-XX:TieredStopAtLevel=1']), '-XX:+UseSerialGC', '-Xshare:auto'],
    ...['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-Dorg.slf4j.simpleLogger.log.kafka.server=info'],
    ...['-cp', join(jars, '*'), 'kafka.Kafka', properties],
  ];
  // A process group of its own: the Ctrl-C of a terminal would stop the broker before the services have left their groups.
  const child = spawn('sh', ['-c', WITH_PARENT, 'sh', ...java], { detached: true, stdio: ['pipe', 'ignore', 'pipe'] });
  child.stdin?.on('error', () => undefined);
  const started = new Promise<void>((resolve, reject) => {
    let log = '';
    const limit = setTimeout(() => reject(new Error(`Kafka did not start in time:\n${log}`)), START_LIMIT_MS);
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-4000);
      if (log.includes('Kafka Server started')) {
        clearTimeout(limit);
        resolve();
      }
    });
    child.on('error', (error) => reject(explain('java', error)));
    child.on('exit', (code) => {
      clearTimeout(limit);
      child.stdin?.destroy();
      // 127: the shell found no such program.
      reject(code === 127 ? explain('java', missing()) : new Error(`Kafka ended with code ${String(code)}:\n${log}`));
    });
  });
  // When another broker failed first, this rejection is not awaited.
  started.catch(() => undefined);
  return { child, started };
}

const missing = (): Error => Object.assign(new Error('java was not found'), { code: 'ENOENT' });

async function stop(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  await ended;
  clearTimeout(limit);
}

/** Ports that are free now. All are held until the last is known, so that none is returned twice. */
async function freePorts(count: number): Promise<number[]> {
  const servers = new Map<number, Server>();
  try {
    while (servers.size < count) {
      const port = randomInt(LOWEST_PORT, HIGHEST_PORT + 1);
      const server = createServer();
      if (await canListen(server, port)) servers.set(port, server);
    }
    return [...servers.keys()];
  } finally {
    await Promise.all([...servers.values()].map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

function canListen(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
}
