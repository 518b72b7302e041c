/**
 * Applies the patches of the folder `patches` to the installed packages: `<package>+<version>.patch`, in the format of the
 * tool patch-package, which can write them. Ends the process with an error when a package has another version or another
 * text than its patch expects, because an unpatched package would run with its faults.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { applyPatch, parsePatch, reversePatch } from 'diff';

/** @param root the folder that holds `patches` and `node_modules` */
export function patchPackages(root = dirname(dirname(fileURLToPath(import.meta.url)))) {
  for (const file of readdirSync(join(root, 'patches'))) {
    const [, name, version] = /^(.+)\+(.+)\.patch$/.exec(file);
    const installed = JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')).version;
    if (installed !== version)
      fail(`${name} is installed in version ${installed}, but patches/${file} is for ${version}`);
    for (const patch of parsePatch(readFileSync(join(root, 'patches', file), 'utf8'))) {
      const path = join(root, patch.newFileName.replace(/^b\//, ''));
      const text = readFileSync(path, 'utf8');
      if (applyPatch(text, reversePatch(patch)) !== false) continue;
      const patched = applyPatch(text, patch);
      if (patched === false) fail(`patches/${file} does not fit ${path}; run "npm ci"`);
      writeFileSync(path, patched);
    }
  }
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) patchPackages(process.argv[2]);
