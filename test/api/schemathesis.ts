import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPython, run } from '../python.js';

const FOLDER = join(process.cwd(), 'test', 'api');
const RUN_LIMIT_MS = 900_000;
/** schemathesis cannot write NDJSON, and waits for the end of an answer. The tests of imports and of the audit API cover these. */
const STREAMS = '/subjects:import$|/events/stream$';

/** What a run of schemathesis is about. */
export interface GeneratedRun {
  /** Of the OpenAPI document. */
  readonly url: string;
  /** Sent as the bearer. */
  readonly key: string;
  readonly seed: string;
  /** Most generated requests of one operation in the fuzzing phase; the other phases have their own numbers. */
  readonly examples: number;
  readonly phases: string;
  /** A pattern of the paths to call. Default: all of them. */
  readonly paths?: string;
  /** In place of generated names of tenants. */
  readonly tenant?: string;
}

/** A check that failed, with the answer. */
export interface SchemathesisFailure {
  readonly code: string;
  readonly title: string;
  readonly operation: string;
  /** The failure, its request and its answer. */
  readonly text: string;
}

export interface SchemathesisRun {
  readonly cases: number;
  /** Requests with an answer of success. */
  readonly accepted: number;
  readonly failures: readonly SchemathesisFailure[];
}

/** Of a scenario; a part that would be empty is absent. */
interface Recorder {
  readonly checks?: Readonly<
    Record<string, readonly { readonly failure_info?: { readonly failure: Failure } | null }[]>
  >;
  readonly interactions?: Readonly<Record<string, Interaction>>;
}
interface Failure {
  readonly code: string;
  readonly title: string;
  readonly operation: string;
  readonly message: string;
}
interface Bytes {
  readonly $base64: string;
}
interface Interaction {
  readonly request: { readonly method: string; readonly uri: string; readonly body?: Bytes | null };
  readonly response?: { readonly status_code: number; readonly content?: Bytes | null } | null;
}

/** Sends the requests of one run. */
export type Schemathesis = (run: GeneratedRun) => Promise<SchemathesisRun>;

/**
 * schemathesis, in a virtual environment with the pinned requirements.
 * @returns the reason why it cannot run, when Python or the registry of its packages is missing
 */
export async function openSchemathesis(): Promise<Schemathesis | string> {
  const python = await openPython('schemathesis', ['-r', join('test', 'api', 'requirements.txt')]);
  if ('missing' in python) return python.missing;
  return async ({ url, key, seed, examples, phases, paths, tenant }) => {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-schemathesis-'));
    const [config, report, events] = ['schemathesis.toml', 'report.json', 'events.ndjson'].map((name) =>
      join(folder, name),
    ) as [string, string, string];
    await writeFile(config, configOf(tenant));
    const args = [
      ...['--config-file', config, '--no-color', 'run', url, '--header', `Authorization: Bearer ${key}`],
      ...['--checks', 'all', '--continue-on-failure', '--request-timeout', '30', '--generation-database', 'none'],
      ...['--seed', seed, '--max-examples', String(examples), '--phases', phases],
      ...['--exclude-path-regex', STREAMS, ...(paths === undefined ? [] : ['--include-path-regex', paths])],
      ...['--report', 'json,ndjson', '--report-json-path', report, '--report-ndjson-path', events],
    ];
    try {
      const { code, output } = await run(join(python.bin, 'st'), args, { cwd: folder, limitMs: RUN_LIMIT_MS });
      // 1: a check failed. Everything else says nothing about the API.
      if (code > 1) throw new Error(`schemathesis ended with ${code}: ${output.slice(-4_000)}`);
      const { test_cases: cases } = JSON.parse(await readFile(report, 'utf8')) as { test_cases: { generated: number } };
      return { cases: cases.generated, ...readEvents(await readFile(events, 'utf8')) };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
}

/**
 * The defaults of schemathesis, and 412: it is about the state of a resource, as 404 and 409 are, so it can answer a valid request
 * and, before the rules of a policy are checked, an invalid one.
 */
function configOf(tenant: string | undefined): string {
  const always = ['401', '403', '404', '409', '412', '429', '5xx'];
  return [
    `hooks = ${JSON.stringify(join(FOLDER, 'formats.py'))}`,
    ...['[checks.positive_data_acceptance]', `expected-statuses = ${JSON.stringify(['2xx', '3xx', ...always])}`],
    '[checks.negative_data_rejection]',
    `expected-statuses = ${JSON.stringify(['400', '405', '406', '415', '422', '428', ...always])}`,
    ...(tenant === undefined ? [] : ['[parameters]', `"path.tenant" = ${JSON.stringify(tenant)}`]),
  ].join('\n');
}

/** What all scenarios found: the failures, each kind of an operation once. */
function readEvents(events: string): Omit<SchemathesisRun, 'cases'> {
  const failures = new Map<string, SchemathesisFailure>();
  let accepted = 0;
  for (const line of events.split('\n').filter((one) => one.startsWith('{"ScenarioFinished"'))) {
    const { recorder } = (JSON.parse(line) as { ScenarioFinished: { recorder: Recorder } }).ScenarioFinished;
    const { checks = {}, interactions = {} } = recorder;
    accepted += Object.values(interactions).filter(({ response }) => (response?.status_code ?? 500) < 300).length;
    for (const [id, results] of Object.entries(checks)) {
      for (const { failure_info: info } of results) {
        if (!info) continue;
        const { code, title, operation, message } = info.failure;
        const { request, response } = interactions[id] ?? {};
        const answer = textOf(response?.content);
        const text = [
          `${operation}: ${title} (${code}): ${message}`,
          `${request?.method} ${request?.uri} ${textOf(request?.body)}`,
          `${response?.status_code} ${answer}`,
        ].join('\n');
        const kind = `${code} ${operation} ${response?.status_code} ${answer.replace(/.*"violations"/s, '')}`;
        const failure = { code, title, operation, text };
        if (!failures.has(kind)) failures.set(kind, failure);
      }
    }
  }
  return { accepted, failures: [...failures.values()] };
}

function textOf(bytes: Bytes | null | undefined): string {
  return Buffer.from(bytes?.$base64 ?? '', 'base64').toString();
}
