import { parseArgs } from 'node:util';

/**
 * The options of a bench, all of them `--name value`.
 * @throws Error that names an option that does not exist
 */
export function options<Names extends string>(defaults: Readonly<Record<Names, string>>): Record<Names, string> {
  const known = Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: 'string' as const }]));
  const { values } = parseArgs({ args: process.argv.slice(3), options: known });
  return { ...defaults, ...(values as Partial<Record<Names, string>>) };
}
