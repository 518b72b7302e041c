import { expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { eventually } from '@countersign/testing';
import { newName, type Client, type Json } from '../client.js';

/** Within this time after a revocation the stream of a key ends. */
const REVOKED_WITHIN_MS = 1000;

interface Command {
  readonly output: () => string;
  readonly ended: Promise<number | null>;
  stop(): void;
}

/** Runs `countersign events` of the build as a process. */
function events(url: string, key: string, ...args: string[]): Command {
  const env = { PATH: process.env['PATH'], COUNTERSIGN_API_KEY: key, COUNTERSIGN_AUDIT_URL: url };
  const child = spawn(process.execPath, [join(process.cwd(), 'dist', 'bin', 'cli.js'), 'events', ...args], { env });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { output: () => output, ended, stop: () => void child.kill('SIGINT') };
}

async function run(url: string, key: string, ...args: string[]): Promise<[number | null, string]> {
  const command = events(url, key, ...args);
  return [await command.ended, command.output()];
}

/** Who reads events: over the audit service and the REST adapter, with keys of the scope `audit`. */
export function eventReaders(tenants: () => { client: Client; tenant: string; other: string }): void {
  const createKey = async (tenant: string): Promise<{ id: string; key: string; path: string }> => {
    const path = `/v1/tenants/${tenant}/keys`;
    const { json } = await tenants().client.manage('POST', path, { name: 'Reader', scopes: ['audit'] });
    return { id: String(json['id']), key: String(json['key']), path: `${path}/${String(json['id'])}` };
  };

  it('searches, follows and exports the events of its tenant with the command line, and of no other tenant', async () => {
    const { client, tenant, other } = tenants();
    const [own, foreign] = await Promise.all([createKey(tenant), createKey(other)]);
    const [audit = '', rest = ''] = [client.product.auditUrls()[0], client.product.restUrls()[1]];
    const agent = await client.createAgent(tenant);
    const subject = newName('customer');
    // Without a subject, an event names none.
    await client.putSubject(tenant, subject);
    await client.putPin(tenant, subject, '73918264');
    const verify = async (): Promise<void> => {
      const { json } = await client.verify(agent, { subject, pin: '48213' });
      expect(json['outcome']).toBe('rejected');
    };
    await verify();
    const search = ['search', '--type', 'attempt.decided', '--subject', subject, '--json'];
    const found = async (url: string): Promise<unknown[]> => {
      const [, output] = await run(url, own.key, ...search);
      return output.startsWith('{') ? output.trim().split('\n') : [];
    };
    await eventually('the search finds the event', async () => (await found(audit)).length === 1, 30_000);
    expect(await found(rest)).toEqual(await found(audit));
    for (const url of [audit, rest]) expect(await run(url, foreign.key, ...search)).toEqual([0, 'no event matches\n']);
    const [code, refusal] = await run(audit, foreign.key, 'search', '--tenant', tenant);
    expect(code).toBe(1);
    expect(refusal).toContain('there is nothing like this');

    const tails = [own.key, foreign.key].map((key) =>
      events(audit, key, 'tail', '--type', 'attempt.decided', '--subject', subject, '--after', '0'),
    );
    const [mine, theirs] = tails as [Command, Command];
    const times = (text: string): number => text.split(`subject=${subject} result=`).length - 1;
    await eventually('the stream continues after the index', () => times(mine.output()) === 1, 30_000);
    await verify();
    await eventually('the next event arrives', () => times(mine.output()) === 2, 30_000);
    expect(times(theirs.output())).toBe(0);
    for (const tail of tails) tail.stop();
    expect(await Promise.all(tails.map(({ ended }) => ended))).toEqual([0, 0]);

    const exported = ['export', '--subject', subject, '--type', 'attempt.decided'];
    const values = (await found(audit)).map((line) => JSON.stringify((JSON.parse(String(line)) as Json)['event']));
    const [, output] = await run(rest, own.key, ...exported);
    expect(output.split('\n').slice(0, 2)).toEqual(values.reverse());
    expect(output).toContain('exported 2 events');
    expect(await run(audit, foreign.key, ...exported)).toEqual([0, 'exported 0 events, 0 per second\n']);

    // The key was used at the audit service alone, which reports it.
    const used = await createKey(tenant);
    await run(audit, used.key, 'search');
    const lastUse = async (): Promise<unknown> => (await client.manage('GET', used.path)).json['lastUsedAt'];
    await eventually('the use is shown', async () => typeof (await lastUse()) === 'string', 30_000);
  });

  it('ends the stream of a key within a second of its revocation, at the audit service and at the REST adapter', async () => {
    const { client, tenant } = tenants();
    const { product } = client;
    const { key, path } = await createKey(tenant);
    const urls = [product.auditUrls()[0] ?? '', product.restUrls()[1] ?? ''];
    const answers = await Promise.all(
      urls.map((url) => fetch(`${url}/v1/events/stream`, { headers: { authorization: `Bearer ${key}` } })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const now = (): number => Date.now();
    // A stream that ends early is an incomplete answer.
    const ends = answers.map((answer) => answer.text().then(now, now));
    const tail = events(urls[0] ?? '', key, 'tail');
    await client.manage('DELETE', path);
    const revokedAt = Date.now();
    for (const end of ends) expect((await end) - revokedAt).toBeLessThan(REVOKED_WITHIN_MS);
    expect(await tail.ended).toBe(1);
    expect(tail.output()).toContain('does not accept the key');
  });
}
