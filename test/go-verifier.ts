import { execFile } from 'node:child_process';
import { join } from 'node:path';

const SOURCE = join(process.cwd(), 'libs', 'transparency-log', 'test', 'go-verifier');
const CACHE = join(process.cwd(), '.cache', 'go');
const BUILD_LIMIT_MS = 300_000;
const RUN_LIMIT_MS = 30_000;

function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv, timeout: number): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { cwd: SOURCE, env, timeout, maxBuffer: 16 << 20 }, (error, out, err) => {
      if (error === null) resolve(out);
      else reject(new Error(`${error.message}\n${err}`));
    });
  });
}

/**
 * The verifier in Go, built in `.cache` with the pinned module.
 * @returns the reason why it cannot run, when Go or the module proxy is missing
 */
export async function openGoVerifier(): Promise<((folder: string) => Promise<string>) | string> {
  const version = await run('go', ['version'], process.env, RUN_LIMIT_MS).catch(() => '');
  if (version === '') return 'Go is missing';
  const program = join(CACHE, 'go-verifier');
  const env = {
    ...process.env,
    GOMODCACHE: join(CACHE, 'mod'),
    GOFLAGS: '-modcacherw',
    // No other version of Go is downloaded.
    GOTOOLCHAIN: 'local',
  };
  const failure = await run('go', ['build', '-o', program, '.'], env, BUILD_LIMIT_MS).then(
    () => '',
    (error: Error) => error.message,
  );
  if (failure !== '') {
    // A program that does not compile is a fault of this repository; a module that cannot be had is not.
    if (!/dial tcp|proxy|lookup|requires go|i\/o timeout|disabled by/.test(failure)) throw new Error(failure);
    return 'golang.org/x/mod cannot be downloaded or needs a newer Go';
  }
  return (folder) => run(program, [folder], process.env, RUN_LIMIT_MS);
}
