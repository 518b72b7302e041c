import { existsSync, readdirSync, statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { secretFilesOf } from '@countersign/runtime';
import { type ExaminedInstallation, settingOf } from './installation.js';
import { type CheckResult } from './report.js';

type Problems = CheckResult['problems'];

/** `engines` of package.json. */
const LEAST_NODE = [20, 19] as const;
const MIB = 1024 * 1024;
/** Memory of a process besides its hashes, in MiB. */
const BASE_MIB = 150;

export function checkNode(version: string = process.versions.node): CheckResult {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isEnough = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  return {
    ok: `Node ${version}`,
    problems: isEnough
      ? []
      : [
          {
            status: 'failed',
            text: `Node ${version} is too old`,
            cure: `install Node ${LEAST_NODE.join('.')} or newer`,
          },
        ],
  };
}

/** Settings that earlier versions read, and why they have no effect. */
const REMOVED_SETTINGS: Readonly<Record<string, string>> = {
  SEND_LINGER_MS: 'a record no longer waits for others',
};

/** Every violated rule of every setting, once, with the services that read it; and settings that have no effect. */
export function checkSettings({ services, dataDir, isNew, environment }: ExaminedInstallation): CheckResult {
  if (isNew) {
    const cure = 'run npm start, which creates it, or name another folder with --data-dir';
    return { ok: '', problems: [{ status: 'warning', text: `the data folder ${dataDir} has no secrets yet`, cure }] };
  }
  const readers = new Map<string, string[]>();
  for (const { needs, faults } of services) {
    for (const fault of faults) readers.set(fault, [...(readers.get(fault) ?? []), needs.name]);
  }
  const removed = Object.entries(REMOVED_SETTINGS)
    .filter(([name]) => environment[name] !== undefined)
    .map(([name, reason]) => {
      return { status: 'warning' as const, text: `${name} has no effect, because ${reason}`, cure: `remove ${name}` };
    });
  const violations = [...readers].map(([text, names]) => {
    const name = settingOf(text);
    const owners = names.length === services.length ? 'all services' : names.join(', ');
    const file = name.endsWith('_FILE')
      ? `${name} or that file`
      : dataDir === undefined
        ? `${name} or the file named by ${name}_FILE`
        : `${name} or, if it is a key, the file ${join(dataDir, 'secrets', name)}`;
    const cure = `correct ${file} in the environment of ${owners}, and restart; a lost key comes from the backup of your secrets`;
    return { status: 'failed' as const, text, cure };
  });
  return {
    ok: `the settings of ${services.map(({ needs }) => needs.name).join(', ')} are valid`,
    problems: [...violations, ...removed],
  };
}

/** Files with secrets that other users of this machine may read. */
export function checkSecretFiles({ dataDir, environment, services }: ExaminedInstallation): CheckResult {
  const named = services.flatMap(({ needs, settings }) => [
    ...secretFilesOf(needs.settings, environment).map(({ file }) => file),
    ...(settings.TLS_KEY_FILE === undefined ? [] : [settings.TLS_KEY_FILE]),
  ]);
  const files = [...new Set([...named, ...(dataDir === undefined ? [] : filesOf(dataDir))])];
  const problems: Problems[number][] = [];
  for (const file of files) {
    try {
      const mode = statSync(file).mode & 0o777;
      const isForAll = (mode & 0o007) !== 0;
      if (!isForAll && (mode & 0o070) === 0) continue;
      const readers = isForAll ? 'every user of this machine' : 'the group of the file';
      problems.push({
        status: isForAll ? 'failed' : 'warning',
        text: `${readers} may use ${file}, which holds a secret (mode ${mode.toString(8)})`,
        cure: `chmod 600 ${file}; if others may have read it, replace the secret: docs/operations.md, "Keys"`,
      });
    } catch (error) {
      const { code = 'unknown' } = error as NodeJS.ErrnoException;
      const cure = 'run this as the user who runs the product, or correct the path';
      problems.push({ status: 'failed', text: `${file} cannot be examined (${code})`, cure });
    }
  }
  return { ok: `only their owner can read the ${files.length} files with secrets`, problems };
}

/** Secrets in the data folder. Files with public keys are none, although the product denies them to others as well. */
function filesOf(dataDir: string): string[] {
  const folder = join(dataDir, 'secrets');
  const secrets = namesIn(folder).filter((name) => !name.endsWith('_PUBLIC_KEYS'));
  const others = ['demo.json', 'demo.curl'].filter((name) => namesIn(dataDir).includes(name));
  const password = namesIn(join(dataDir, 'postgres')).filter((name) => name === 'password');
  return [
    ...secrets.map((name) => join(folder, name)),
    ...others.map((name) => join(dataDir, name)),
    ...password.map((name) => join(dataDir, 'postgres', name)),
  ];
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Free space for the embedded database. Below a tenth of the minimum the next writes can fail. */
export async function checkDisk(dataDir: string | undefined, leastMib: number): Promise<CheckResult> {
  if (dataDir === undefined) {
    return { ok: 'no data folder; the disks of Kafka and PostgreSQL are not visible from here', problems: [] };
  }
  let folder = dataDir;
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize } = await statfs(folder);
  const freeMib = Math.floor((bavail * bsize) / MIB);
  const text = `${freeMib} MiB are free for ${dataDir}`;
  if (freeMib >= leastMib) return { ok: text, problems: [] };
  const cure = `free at least ${leastMib - freeMib} MiB on this disk, or move DATA_DIR while the product is stopped`;
  const status = freeMib * 10 < leastMib ? 'failed' : 'warning';
  return { ok: text, problems: [{ status, text: `only ${text}, fewer than ${leastMib}`, cure }] };
}

/** Memory for the hashes that run at the same time. */
export function checkMemory({ services }: ExaminedInstallation): CheckResult {
  const hashing = services.find(({ needs }) => needs.hashMemoryKib !== undefined);
  if (hashing === undefined || hashing.faults.length > 0)
    return { ok: 'no hashes run in these services', problems: [] };
  const hashMib = Math.ceil((hashing.needs.hashMemoryKib?.(hashing.settings, availableParallelism()) ?? 0) / 1024);
  const neededMib = hashMib + BASE_MIB;
  const totalMib = Math.floor(Math.min(totalmem(), process.constrainedMemory() || Infinity) / MIB);
  const availableMib = Math.floor(process.availableMemory() / MIB);
  const cure = 'lower HASH_CONCURRENCY or HASH_MEMORY_KIB of verification, or give it more memory';
  const text = `verification needs up to ${neededMib} MiB, ${hashMib} of them for hashes`;
  const problems: Problems =
    neededMib > totalMib
      ? [{ status: 'failed', text: `${text}; this machine or container has ${totalMib}`, cure }]
      : neededMib > availableMib
        ? [{ status: 'warning', text: `${text}; only ${availableMib} are available now`, cure }]
        : [];
  return { ok: `${text}; ${availableMib} are available`, problems };
}
