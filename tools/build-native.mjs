/**
 * Compiles the native module `native/argon2` where a Rust toolchain is present. Without one, the product uses
 * `@node-rs/argon2`, so a failure is no error unless `NATIVE_BUILD` is `required`.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = join('native', 'argon2');
/** Name of the library that cargo writes, by platform. */
const LIBRARY = {
  linux: 'libcountersign_argon2.so',
  darwin: 'libcountersign_argon2.dylib',
  win32: 'countersign_argon2.dll',
};

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const timeOf = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

/** Compiles when a source is newer than the module. */
export function buildNative(mode = process.env.NATIVE_BUILD ?? 'auto') {
  const folder = join(root, FOLDER);
  const target = join(folder, 'argon2.node');
  // A release contains its build only.
  if (mode === 'off' || !existsSync(join(folder, 'Cargo.toml'))) return;
  const sources = ['Cargo.toml', 'build.rs', ...readdirSync(join(folder, 'src')).map((file) => join('src', file))];
  if (sources.every((source) => timeOf(join(folder, source)) <= timeOf(target))) return;
  const hasCargo = spawnSync('cargo', ['--version'], { stdio: 'ignore' }).status === 0;
  if (hasCargo) process.stderr.write('building native/argon2…\n');
  const cargo = hasCargo
    ? spawnSync('cargo', ['build', '--release', '--quiet'], { cwd: folder, encoding: 'utf8' })
    : { status: 1, stderr: 'cargo is not installed' };
  if (cargo.status === 0) {
    copyFileSync(join(folder, 'target', 'release', LIBRARY[process.platform] ?? LIBRARY.linux), target);
    return;
  }
  const why = cargo.stderr.trim().split('\n').at(-1);
  if (mode === 'required') {
    process.stderr.write(`native/argon2 was not built: ${cargo.stderr}\n`);
    process.exit(1);
  }
  if (hasCargo) process.stderr.write(`native/argon2 was not built, hashes use @node-rs/argon2: ${why}\n`);
}

/** Puts the module where the compiled sources look for it. */
export function copyNative(output) {
  const built = join(root, FOLDER, 'argon2.node');
  if (!existsSync(built)) return;
  const target = join(root, output, FOLDER, 'argon2.node');
  if (timeOf(target) >= timeOf(built)) return;
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(built, target);
}
