import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';
import openapiTS, { astToString } from 'openapi-typescript';
import ts from 'typescript';
import { type World } from '../e2e/world.js';
import { DocumentClient } from './document.js';

/** Below the packages of the repository, so that the generated client finds them. */
const FOLDER = join(process.cwd(), '.cache');
const TEST_MS = 120_000;

/** Sets a policy as the administrator and verifies a PIN as the agent; prints the outcome. */
const CLIENT = `
import createClient from 'openapi-fetch';
import { type components, type paths } from './schema.js';

const { URL = '', ADMIN_KEY = '', AGENT_KEY = '', TENANT = '', AGENT = '', SUBJECT = '', PIN = '' } = process.env;
const clientOf = (key: string) => createClient<paths>({ baseUrl: URL, headers: { authorization: 'Bearer ' + key } });

const policy: components['schemas']['PolicyChange'] = {
  attempts: { perWindow: 2 },
  limits: { caller: { limit: 5, periodSeconds: 60 } },
  knowledge: { questions: [{ name: 'zip_code', description: 'ZIP code', kind: 'zip' }] },
  transfers: { support: 'sip:support@example.com' },
  escalation: 'support',
};
const set = await clientOf(ADMIN_KEY).PUT('/v1/tenants/{tenant}/agents/{agent}/policy', {
  params: { path: { tenant: TENANT, agent: AGENT } },
  body: policy,
});
if (set.error) throw new Error(set.error.detail);

const verified = await clientOf(AGENT_KEY).POST('/v1/verifications', {
  params: { header: { 'Idempotency-Key': 'typed-client' } },
  body: { method: 'pin', subject: SUBJECT, pin: PIN },
});
if (verified.error) throw new Error(verified.error.type);
const { outcome, level }: { outcome: string; level: 'none' | 'identified' | 'verified' } = verified.data;
process.stdout.write(JSON.stringify({ outcome, level }));
`;

/** Mistakes that a typed client must find, each in place of a line above. */
const MISTAKES: readonly (readonly [line: string, mistake: string])[] = [
  ['{ perWindow: 2 }', "{ perWindow: '2' }"],
  ["escalation: 'support',", "escalation: 'support', unknownField: true,"],
  ["method: 'pin'", "method: 'voice'"],
  ["kind: 'zip'", "kind: 'colour'"],
];

/** The types that openapi-typescript makes of the document. */
export function typedClient(world: () => World): void {
  it(
    'gives openapi-typescript types with which a client compiles that sets a policy and verifies a PIN, and runs',
    async () => {
      const { client, tenant, agent, enrol } = world();
      const { document } = await DocumentClient.open(client);
      await mkdir(FOLDER, { recursive: true });
      const folder = await mkdtemp(join(FOLDER, 'typed-client-'));
      try {
        await writeFile(join(folder, 'schema.d.ts'), astToString(await openapiTS(document as never)));
        await writeFile(join(folder, 'package.json'), '{"type": "module"}');
        for (const [line] of MISTAKES) expect(CLIENT).toContain(line);
        const mistakes = MISTAKES.map(([line, mistake]) => CLIENT.replace(line, mistake));
        const [found, ...ofMistakes] = await compile(folder, [CLIENT, ...mistakes]);
        expect(found).toEqual([]);
        for (const messages of ofMistakes) expect(messages).not.toEqual([]);
        const { subject } = await enrol();
        const env = {
          ...{ URL: client.product.restUrls()[0], ADMIN_KEY: client.product.adminKey, AGENT_KEY: agent.apiKey },
          ...{ TENANT: tenant, AGENT: agent.agent, SUBJECT: subject, PIN: '48213', PATH: process.env['PATH'] },
        };
        const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'client0.js')], { env });
        expect(JSON.parse(stdout)).toEqual({ outcome: 'verified', level: 'verified' });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    TEST_MS,
  );
}

/** Compiles `client0`, `client1` and so on with every strict rule. @returns what the compiler found in each */
async function compile(folder: string, texts: readonly string[]): Promise<string[][]> {
  const files = texts.map((_, index) => join(folder, `client${index}.ts`));
  await Promise.all(texts.map((text, index) => writeFile(files[index] ?? '', text)));
  const program = ts.createProgram(files, {
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    ...{ target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext, types: ['node'] },
    ...{ moduleResolution: ts.ModuleResolutionKind.NodeNext, skipLibCheck: true, outDir: folder },
  });
  program.emit();
  return files.map((file) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(file))
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
  );
}
