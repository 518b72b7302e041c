import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const KAFKA_VERSION = '4.3.1';

const INSTALL_JAVA =
  'Apache Kafka needs Java 17 or newer: install a JRE (Debian: apt-get install default-jre-headless, macOS: brew install openjdk)';
const INSTALL_MAVEN =
  'the jars of Apache Kafka are fetched once with Maven: install it (Debian: apt-get install maven, macOS: brew install maven)';

/** The folder of the repository; works from the sources (jest) and from `dist` (built). */
export function repositoryRoot(from: string = dirname(fileURLToPath(import.meta.url))): string {
  const file = join(from, 'package.json');
  if (existsSync(file)) {
    const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof content === 'object' && content !== null && 'name' in content && content.name === 'countersign') {
      return from;
    }
  }
  const parent = dirname(from);
  if (parent === from)
    throw new Error('no package.json named countersign above this file: run it inside the repository');
  return repositoryRoot(parent);
}

/**
 * The folder with the jars; the first call on a machine fetches them (44 MB). Two processes may call it at the same time:
 * each fetches into a folder of its own, and the first to finish renames it.
 * @throws Error that says what to install when Maven is missing.
 */
export async function kafkaJars(): Promise<string> {
  const root = repositoryRoot();
  const jars = join(root, '.cache', `kafka-${KAFKA_VERSION}`);
  if (existsSync(jars)) return jars;
  const own = `${jars}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await mkdir(own, { recursive: true });
  try {
    await runToEnd('mvn', [
      ...['-q', '-B', '-f', join(root, 'tools', 'kafka', 'pom.xml')],
      ...['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${own}`],
    ]);
    await rename(own, jars).catch((error: unknown) => {
      if (!existsSync(jars)) throw error;
    });
  } finally {
    await rm(own, { recursive: true, force: true });
  }
  return jars;
}

/**
 * Runs a program to its end.
 * @throws Error with the end of its output, or with what to install when `java` or `mvn` is missing.
 */
export function runToEnd(program: 'java' | 'mvn', args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-4000);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', (error) => reject(explain(program, error)));
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ended with code ${String(code)}:\n${output}`));
    });
  });
}

/** @returns an error that says what to install, if the program is missing */
export function explain(program: 'java' | 'mvn', error: Error): Error {
  const missing = 'code' in error && error.code === 'ENOENT';
  if (!missing) return error;
  return new Error(program === 'java' ? INSTALL_JAVA : INSTALL_MAVEN, { cause: error });
}
