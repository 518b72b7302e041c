import { rmSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { ServiceError, type Environment } from '@countersign/runtime';
import { refusedSetting, type Write } from '../terminal/terminal.js';
import { apiOf, refused, type ApiOptions } from './rest-api.js';

/** Begins the line of a problem, which no subject begins with. */
const PROBLEM = '{"type":"urn:countersign:problem:';

/**
 * Exports the subjects of a tenant as NDJSON. The file appears when it is complete.
 * @param file undefined: standard output
 * @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE with what to do
 */
export async function exportFile(
  env: Environment,
  file: string | undefined,
  options: ApiOptions,
  write: Write,
): Promise<void> {
  const { url, tenant, authorization } = apiOf(env, options);
  const path = `${url}/v1/tenants/${encodeURIComponent(tenant)}/subjects:export`;
  const answer = await fetch(path, { headers: { authorization } }).catch(() => undefined);
  if (answer === undefined)
    throw refusedSetting(`there is no answer from ${url}: check --url, and whether the REST adapter runs`);
  if (answer.status === 429 || answer.status >= 500)
    throw interrupted('the REST API is overloaded, or another export of the tenant runs');
  if (!answer.ok || answer.body === null) throw refused(answer.status, url, tenant);
  const count = { subjects: 0 };
  const lines = subjectsIn(answer.body, count);
  if (file === undefined) return pipeline(lines, process.stdout, { end: false }).catch(rethrow('standard output'));
  const unfinished = `${file}.new`;
  try {
    // The subjects are personal data, and a file that exists could be one that others may read.
    rmSync(unfinished, { force: true });
    const target = await open(unfinished, 'wx', 0o600);
    await pipeline(lines, target.createWriteStream());
    await rename(unfinished, file);
  } catch (error) {
    rmSync(unfinished, { force: true });
    rethrow(file)(error);
  }
  write(`exported ${count.subjects} subjects to ${file}`);
}

/** The lines of an answer, without the problem that ends it. @throws ServiceError BROKER_UNAVAILABLE when it is not complete */
async function* subjectsIn(body: AsyncIterable<Uint8Array>, count: { subjects: number }): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const early = (): ServiceError => interrupted('the export ended early and is not complete');
  let rest = '';
  try {
    for await (const chunk of body) {
      const lines = `${rest}${decoder.decode(chunk, { stream: true })}`.split('\n');
      rest = lines.pop() ?? '';
      const problem = lines.findIndex((line) => line.startsWith(PROBLEM));
      const subjects = problem < 0 ? lines : lines.slice(0, problem);
      count.subjects += subjects.length;
      yield subjects.map((line) => `${line}\n`).join('');
      if (problem >= 0) throw early();
    }
  } catch {
    throw early();
  }
  if (rest !== '') throw early();
}

const interrupted = (what: string): ServiceError =>
  new ServiceError('BROKER_UNAVAILABLE', `${what}: run the command again`, true);

/** Says which file failed. */
function rethrow(target: string): (error: unknown) => never {
  return (error) => {
    const { code } = error as NodeJS.ErrnoException;
    throw error instanceof ServiceError ? error : refusedSetting(`${target} cannot be written (${code})`);
  };
}
