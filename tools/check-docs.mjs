/** Checks that every link between pages leads to a file, and to a heading where it names one. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { root } from './build.mjs';
import { anchorsOf, markdownPages } from './markdown-pages.mjs';

const faults = markdownPages(root).flatMap(brokenLinks);
for (const fault of faults) process.stderr.write(`docs: ${fault}\n`);
process.exit(faults.length > 0 ? 1 : 0);

function brokenLinks(page) {
  const links = [...readFileSync(page, 'utf8').matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
  return links.flatMap((target) => {
    if (/^[a-z]+:/.test(target)) return [];
    const [path, anchor] = target.split('#');
    const file = path === '' ? page : join(dirname(page), path);
    const place = `${relative(root, page)}: ${target}`;
    if (!existsSync(file)) return [`${place} does not exist`];
    return anchor && !anchorsOf(file).has(anchor) ? [`${place} has no such heading`] : [];
  });
}
