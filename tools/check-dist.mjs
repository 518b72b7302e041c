/** The build of the product, and so the image, holds nothing of the tests. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildIfStale, root } from './build.mjs';

const OF_TESTS = /(^|\/)(test|testing)\/|\.(spec|int-spec|e2e-spec|contract|fake|model)\.js$|test-bed|memory-store/;

buildIfStale();
const found = readdirSync(join(root, 'dist'), { recursive: true }).filter(
  (file) => file.endsWith('.js') && OF_TESTS.test(file),
);
for (const file of found) {
  process.stderr.write(
    `dist: ${file} is support for tests; move its source to the folder test of its app or library\n`,
  );
}
process.exit(found.length > 0 ? 1 : 0);
