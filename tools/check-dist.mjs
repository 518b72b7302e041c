/**
 * Fails when test support is in the build of the product, in what docker sends to the build of the image, or in the image;
 * and when the build has no console.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { buildIfStale, isMain, root } from './build.mjs';

const TEST_SUPPORT =
  /^tools\/jest\/|(^|\/)(test|testing)\/|\.(spec|int-spec|e2e-spec|contract|fake|model)\.(js|ts)$|test-bed|memory-store/;
/** Packages have tests of their own; `npm prune --omit=dev` decides which packages there are. */
const PACKAGES = 'node_modules';

export const testSupport = (files) => files.filter((file) => TEST_SUPPORT.test(file));

/** The paths of the build stage that the last stage of a Dockerfile copies, relative to its folder `/app`. */
export function copiedPaths(dockerfile) {
  const lastStage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
  return [...lastStage.matchAll(/^(?:COPY|ADD)((?: +\S+)+) +\S+$/gm)].flatMap(([line, words]) => {
    const [from, ...sources] = words.trim().split(/ +/);
    if (from !== '--from=build') throw new Error(`The image may only copy from the build stage, not: ${line}`);
    return sources.map((source) => source.replace(/^\/app\/?/, ''));
  });
}

/** The files that docker sends to the build: all but those that a .dockerignore names. */
export function sentFiles(dockerignore, files) {
  const rules = dockerignore
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ isSent: line.startsWith('!'), pattern: patternOf(line.replace(/^!/, '')) }));
  // The last rule that matches decides.
  return files.filter((file) => rules.findLast(({ pattern }) => pattern.test(file))?.isSent ?? true);
}

/** Matches the paths that a pattern of a .dockerignore names, and everything below them. */
function patternOf(glob) {
  const parts = { '**/': '(?:.*/)?', '*': '[^/]*', '.': '\\.' };
  return new RegExp(`^${glob.replace(/\*\*\/|\*|\./g, (part) => parts[part])}(?:/|$)`);
}

function filesBelow(path) {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path), { recursive: true }).map((file) => join(path, file));
}

if (isMain(import.meta.url)) {
  await buildIfStale();
  const copied = copiedPaths(readFileSync(join(root, 'Dockerfile'), 'utf8'));
  const inRepository = spawnSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).stdout.split('\n');
  const found = {
    dist: testSupport(filesBelow('dist')),
    'the image': testSupport(copied.filter((path) => path !== PACKAGES).flatMap(filesBelow)),
    'what docker sends to the build': testSupport(
      sentFiles(readFileSync(join(root, '.dockerignore'), 'utf8'), inRepository),
    ),
  };
  for (const [place, files] of Object.entries(found)) {
    for (const file of files) process.stderr.write(`${file} is test support and must not be in ${place}\n`);
  }
  const hasConsole = existsSync(join(root, 'dist', 'console', 'index.html'));
  if (!hasConsole) process.stderr.write('dist has no console\n');
  process.exit(Object.values(found).flat().length > 0 || !hasConsole ? 1 : 0);
}
