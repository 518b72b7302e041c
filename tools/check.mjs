/**
 * `npm run check`: everything that holds without running the product. As many checks at a time as there are processors, the
 * long ones first; prints the output of those that fail.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { generateApiTypes } from './build-console.mjs';
import { root } from './build.mjs';

const CHECKS = [
  'node tools/check-code.mjs',
  'prettier --check .',
  'node tools/check-code.mjs apps/console',
  'depcruise apps libs test bench --config .dependency-cruiser.cjs',
  'node tools/check-dist.mjs',
  'node tools/generate-docs.mjs --check',
  'node tools/check-monitoring.mjs',
  'node tools/check-alerts.mjs',
  'node tools/check-compose.mjs',
  'node tools/check-names.mjs',
  'node tools/check-docs.mjs',
];
const PATH = [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);

await generateApiTypes(root);
const waiting = [...CHECKS];
let failed = 0;
await Promise.all(Array.from({ length: availableParallelism() }, runChecks));
process.stdout.write(
  failed === 0 ? `${CHECKS.length} checks passed\n` : `${failed} of ${CHECKS.length} checks failed\n`,
);
process.exit(failed === 0 ? 0 : 1);

async function runChecks() {
  for (let command = waiting.shift(); command !== undefined; command = waiting.shift()) {
    const began = performance.now();
    const { code, output } = await run(command);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    process.stdout.write(`${code === 0 ? 'passed' : 'FAILED'} ${command} (${seconds} s)\n${code === 0 ? '' : output}`);
    if (code !== 0) failed++;
  }
}

/** @returns the exit code, and everything that was printed */
function run(command) {
  const [program, ...args] = command.split(' ');
  const child = spawn(program, args, { cwd: root, env: { ...process.env, PATH }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
