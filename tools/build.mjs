import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, 'dist', '.built');
const compiler = join(root, 'node_modules', '@nestjs', 'cli', 'bin', 'nest.js');
const INPUTS = [
  'apps',
  'libs',
  'test',
  'bench',
  'examples',
  'tsconfig.json',
  'tsconfig.build.json',
  'nest-cli.json',
  'package-lock.json',
];

/** Builds `dist` when a source is newer than it, so that nobody ever runs yesterday's code. */
export function buildIfStale() {
  const built = existsSync(stamp) ? statSync(stamp).mtimeMs : 0;
  if (INPUTS.every((input) => newest(join(root, input)) <= built)) return;
  if (!existsSync(compiler)) {
    // `npm ci --omit=dev`: what a release brought along is run, however old its files are said to be.
    if (existsSync(join(root, 'dist', 'apps'))) return;
    process.stderr.write(
      'There is no build output, and no compiler to make it: run "npm ci" without --omit=dev, or use a release, which has the folder dist.\n',
    );
    process.exit(1);
  }
  process.stderr.write('building…\n');
  const started = new Date();
  const { status } = spawnSync(process.execPath, [compiler, 'build'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) {
    process.stderr.write('The build failed; npm run check says more.\n');
    process.exit(status ?? 1);
  }
  writeFileSync(stamp, '');
  // A source that changed while the compiler ran counts as newer.
  utimesSync(stamp, started, started);
}

/** When the newest source was written: of a folder only what is compiled counts, not what programs leave beside it. */
function newest(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const times = readdirSync(path, { withFileTypes: true }).map((entry) =>
    entry.isDirectory() || entry.name.endsWith('.ts') ? newest(join(path, entry.name)) : 0,
  );
  return Math.max(0, ...times);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) buildIfStale();
