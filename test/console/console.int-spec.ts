import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { MemoryBroker } from '@countersign/messaging';
import { createTestDatabase } from '@countersign/testing';
import { pino } from 'pino';
import { chromium, type Browser, type Page } from 'playwright-core';
import { productEnvironment } from '../../apps/all-in-one/src/product-environment.js';
import { startServices } from '../../apps/all-in-one/src/product-services.js';
import { AUDIENCE, CLIENT_ID, OpenIdTestProvider } from '../operators/openid-test-provider.js';

/** Debian's package `chromium`, which CI installs. */
const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Names a folder for pictures of each page: docs/console. */
const PICTURES = process.env['CONSOLE_PICTURES'];

/** What no answer, page or log may contain. */
const PIN = '73918264';
const WRONG_PIN = '51739206';
const ANSWER = 'canary-84620913';
const PHONE = '+12025550183';
const REASON = 'called back at the number on file';

let origin = '';
let browser: Browser;
let page: Page;
/** Bodies of answers, and lines of the console of the browser. */
let bodies = '';
const lines: string[] = [];
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  if (!existsSync(CHROMIUM)) throw new Error(`The test needs the browser ${CHROMIUM}: install Debian's chromium.`);
  const onClose = (step: () => Promise<unknown>): void => void closers.push(step);
  const database = await createTestDatabase();
  onClose(() => database.drop());
  const folder = await mkdtemp(join(tmpdir(), 'countersign-console-'));
  onClose(() => rm(folder, { recursive: true, force: true }));
  const provider = await OpenIdTestProvider.open();
  onClose(() => provider.close());
  const settings = {
    ...{ REST_PORT: '0', SWAIG_PORT: '0', AUDIT_PORT: '0', HOST: '127.0.0.1' },
    ...{ OIDC_ISSUER: provider.issuer, OIDC_CLIENT_ID: CLIENT_ID, OIDC_AUDIENCE: AUDIENCE },
  };
  const found = await productEnvironment(folder, settings, database.url, onClose);
  const broker = new MemoryBroker();
  onClose(() => broker.close());
  const fail = (error: Error): never => {
    throw error;
  };
  const replace = { broker, logger: pino({ level: 'silent' }), ops: false } as const;
  const services = await startServices(found.environment, fail, replace, onClose);
  origin = services.find(({ urls }) => urls['rest'])?.urls['rest'] ?? '';
  provider.serve({ olga: { name: 'Olga Operator', roles: ['admin'] } }, [origin]);
  provider.person = 'olga';
  await enrolLockedSubject(found.createdAdminKey);

  browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  onClose(() => browser.close());
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true });
  page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on('console', (message) => lines.push(message.text()));
  page.on('pageerror', (error) => lines.push(String(error)));
  page.on('response', (response) => {
    if (!response.url().endsWith('/stream'))
      void response.text().then(
        (text) => (bodies += text),
        () => undefined,
      );
  });
}, 120_000);

afterAll(async () => {
  for (const step of closers.reverse()) await step();
});

/** A subject whose PIN is locked, after wrong PINs over REST. */
async function enrolLockedSubject(adminKey: string): Promise<void> {
  const send = async (method: string, path: string, body: object, key = adminKey): Promise<Record<string, string>> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
    const answer = await fetch(`${origin}${path}`, { method, headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (answer.status === 204 ? {} : await answer.json()) as Record<string, string>;
  };
  await send('PUT', '/v1/tenants/acme', { name: 'Acme' });
  const questions = [{ name: 'word', description: 'Word', kind: 'text' }];
  await send('PATCH', '/v1/tenants/acme/policy', { knowledge: { questions } });
  const agent = await send('POST', '/v1/tenants/acme/agents', { agent: 'desk' });
  await send('PUT', '/v1/tenants/acme/subjects/c-1', { phones: [PHONE], displayName: 'Grace' });
  await send('PUT', '/v1/tenants/acme/subjects/c-1/pin', { pin: PIN });
  await send('PUT', '/v1/tenants/acme/subjects/c-1/knowledge', { answers: { word: ANSWER } });
  for (let count = 0; count < 4; count++) {
    const body = { method: 'pin', subject: 'c-1', callerPhone: PHONE, pin: WRONG_PIN };
    await send('POST', '/v1/verifications', body, agent['apiKey']);
  }
}

/** Finds violations of WCAG and of good practice; draws the page when pictures are wanted, light and dark. */
async function inspect(name: string): Promise<void> {
  const found = await page.evaluate<string[]>(
    `${AXE}; axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ target }) => target.join(' ')).join(', ')))`,
  );
  expect({ page: name, found }).toEqual({ page: name, found: [] });
  if (PICTURES === undefined) return;
  await mkdir(PICTURES, { recursive: true });
  for (const scheme of ['dark', 'light']) {
    await page.getByLabel('Colors').selectOption(scheme);
    await writeFile(join(PICTURES, `${name}-${scheme}.png`), await page.screenshot());
  }
}

const open = async (link: string): Promise<void> => {
  await page.getByRole('navigation').getByRole('link', { name: link, exact: true }).click();
  await page.getByRole('heading', { level: 1, name: link }).waitFor();
};

it('lets an operator sign in, unlock a locked subject with a reason, and see the event live under the own name', async () => {
  await page.goto(`${origin}/console`);
  await page.getByRole('link', { name: 'Sign in with your provider' }).waitFor();
  expect(await page.getByRole('navigation').count()).toBe(0);
  await page.getByRole('link', { name: 'Sign in with your provider' }).click();
  await page.getByText('Olga Operator (admin)').waitFor();
  await page.getByRole('img', { name: /^Attempts/ }).waitFor();
  await inspect('overview');

  await page.getByLabel('Tenant', { exact: true }).selectOption('acme');
  await open('Subjects');
  await page.getByRole('link', { name: 'c-1' }).waitFor();
  await inspect('subjects');
  await page.getByLabel('Id or telephone number').fill(PHONE);
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByRole('heading', { level: 1, name: 'Subject c-1' }).waitFor();
  await page.getByText(/Locked for/).waitFor();
  await page.getByText(`+1…${PHONE.slice(-2)}`).waitFor();
  await inspect('subject');

  // The stream is followed in a page of its own, as by a second person.
  const live = await page.context().newPage();
  live.on('console', (message) => lines.push(message.text()));
  // Not the empty table: the page of the subject reads events, and that read is an event too.
  const stream = live.waitForResponse((response) => response.url().includes('/v1/events/stream'));
  await live.goto(`${origin}/console/live`);
  await live.getByRole('heading', { level: 1, name: 'Live' }).waitFor();
  expect((await stream).status()).toBe(200);

  await page.getByRole('button', { name: 'Unlock' }).click();
  await page.getByLabel('Reason').fill(REASON);
  await page.getByRole('dialog').getByRole('button', { name: 'Unlock' }).click();
  await page.getByText(/Locked for/).waitFor({ state: 'detached' });
  expect(await page.getByText('In use').count()).toBe(2);

  const row = live.getByRole('row').filter({ hasText: 'Credential unlocked' });
  await row.waitFor();
  expect(await row.textContent()).toContain('Olga Operator');
  expect(await row.textContent()).toContain(REASON);
  await live.close();
}, 90_000);

it('has no violation of accessibility on any page, and reaches each without an error of its policy', async () => {
  const links = await page.getByRole('navigation').getByRole('link').allTextContents();
  expect(links).toEqual(expect.arrayContaining(['Overview', 'Live', 'Subjects', 'Webhooks']));
  for (const link of links) {
    await open(link);
    await inspect(link.toLowerCase().replaceAll(/\W+/g, '-'));
  }
  expect(lines.filter((line) => /Content Security Policy|Trusted|violates|Error/i.test(line))).toEqual([]);
}, 90_000);

it('shows no PIN, answer or whole number in an answer, a page, an address or a line of the console', async () => {
  const text = await page.evaluate(
    'document.documentElement.outerHTML + JSON.stringify({ ...localStorage, ...sessionStorage })',
  );
  const seen = [bodies, String(text), page.url(), ...lines].join('\n');
  expect(bodies).toContain('c-1');
  for (const secret of [PIN, WRONG_PIN, ANSWER, PHONE, PHONE.slice(1), PHONE.slice(2)])
    expect(seen).not.toContain(secret);
});

it('shows the sign-in again after the operator has signed out', async () => {
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await page.waitForURL((url) => !url.href.startsWith(`${origin}/console/webhooks`));
  await page.goto(`${origin}/console/subjects/acme/c-1`);
  await page.getByRole('link', { name: 'Sign in with your provider' }).waitFor();
  expect(await page.getByText('c-1').count()).toBe(0);
}, 40_000);
