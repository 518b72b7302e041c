import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryBroker } from '@countersign/messaging';
import { createTestDatabase, eventually } from '@countersign/testing';
import { Client as Postgres } from 'pg';
import { pino } from 'pino';
import { chromium, type Browser, type Page } from 'playwright-core';
import { productEnvironment } from '../../apps/all-in-one/src/product-environment.js';
import { startServices } from '../../apps/all-in-one/src/product-services.js';
import { Receiver } from '../../apps/webhooks/test/receiver.js';
import { AUDIENCE, CLIENT_ID, OpenIdTestProvider } from '../operators/openid-test-provider.js';
import { expectAccessible } from './accessibility.js';
import { ANSWER, OTHER_PHONE, PHONE, PIN, Seen, WRONG_PIN } from './canaries.js';

/** Debian's packages. The first one, which CI installs, has no window and needs half the processor time. */
const CHROMIUM = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'];
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
];

/** Who can sign in. */
export const PEOPLE = {
  olga: { name: 'Olga Admin', roles: ['admin'] },
  otto: { name: 'Otto Operator', roles: ['operator'] },
  vera: { name: 'Vera Viewer', roles: ['viewer'] },
  rita: { name: 'Rita Auditor', roles: ['auditor'] },
  bob: { name: 'Bob of Acme', roles: ['acme-operators'] },
};
export type Person = keyof typeof PEOPLE;
/** Who sit down at the same browser, one after the other. */
const SHARING: readonly Person[] = ['vera', 'rita', 'bob'];
const ROLES = {
  ...Object.fromEntries(['viewer', 'operator', 'admin', 'auditor'].map((role) => [role, { role }])),
  'acme-operators': { role: 'operator', tenants: ['acme'] },
};

/** An id of a telephone call that a spreadsheet would run as a formula. */
export const FORMULA_CALL = '=HYPERLINK("https://attacker.example")';

type Body = Readonly<Record<string, unknown>>;

/** The whole product, an OpenID provider, a receiver of webhooks and a browser. */
export class ConsoleRig {
  readonly seen = new Seen();
  /** Names of the pages and dialogs that were examined. */
  readonly inspected = new Set<string>();
  readonly #pages = new Map<Person, Page>();
  #sharedPage: Page | undefined;
  #webhook = '';
  readonly #closers: (() => Promise<unknown>)[] = [];
  #origin = '';
  #adminKey = '';
  #provider!: OpenIdTestProvider;
  #receiver!: Receiver;
  #browser!: Browser;
  #database!: Postgres;

  /** @throws Error when something does not start; {@link stop} stops what did */
  async start(): Promise<void> {
    const executablePath = CHROMIUM.find(existsSync);
    if (executablePath === undefined) throw new Error(`The test needs a browser: ${CHROMIUM.join(' or ')}`);
    // The browser starts meanwhile.
    const [browser] = await Promise.all([chromium.launch({ executablePath, args: FLAGS }), this.#startProduct()]);
    this.#browser = browser;
    this.#closers.push(() => browser.close());
  }

  async stop(): Promise<void> {
    for (const step of this.#closers.reverse()) await step();
  }

  get origin(): string {
    return this.#origin;
  }

  get receiver(): Receiver {
    return this.#receiver;
  }

  /** The page of a person, who signs in unless it is open. All but two share one browser, because a browser costs seconds. */
  async as(person: Person): Promise<Page> {
    const own = this.#pages.get(person);
    if (own !== undefined) return own;
    const shared = SHARING.includes(person);
    const page = (shared ? this.#sharedPage : undefined) ?? (await this.newPage());
    if (shared) {
      this.#sharedPage = page;
      for (const other of SHARING) this.#pages.delete(other);
      await page.context().clearCookies();
    }
    await this.signIn(page, person);
    this.#pages.set(person, page);
    return page;
  }

  /** Lets later tests continue with the page of a person. */
  keep(person: Person, page: Page): void {
    this.#pages.set(person, page);
  }

  pages(): Page[] {
    return [...this.#pages.values()];
  }

  /** Follows a link of the navigation. */
  async open(page: Page, link: string): Promise<void> {
    await page.getByRole('navigation').getByRole('link', { name: link, exact: true }).click();
    await page.getByRole('heading', { level: 1, name: link }).waitFor();
  }

  /** Shows a page of the console by its address, without loading the document again. */
  async go(page: Page, path: string): Promise<void> {
    await page.evaluate(`history.pushState({}, '', ${JSON.stringify(`/console${path}`)})`);
  }

  /** Fails for a page, or a part of it, with violations of accessibility. */
  async inspect(page: Page, name: string, part?: string): Promise<void> {
    await expectAccessible(page, name, part);
    this.inspected.add(name);
  }

  /** The id of the webhook. */
  get webhook(): string {
    return this.#webhook;
  }

  eventually(what: string, condition: () => boolean): Promise<unknown> {
    return eventually(what, condition);
  }

  /** A browser without a session. */
  async newPage(): Promise<Page> {
    const context = await this.#browser.newContext({
      viewport: { width: 1280, height: 900 },
      ...{ acceptDownloads: true, colorScheme: 'light', reducedMotion: 'reduce' },
    });
    context.setDefaultTimeout(15_000);
    await this.seen.watch(context);
    return context.newPage();
  }

  async signIn(page: Page, person: Person): Promise<void> {
    this.sitsDown(person);
    await page.goto(`${this.#origin}/console/session/sign-in`);
    await page.getByText(`${PEOPLE[person].name} (`).waitFor();
  }

  /** From now on, the provider signs this person in. */
  sitsDown(person: Person): void {
    this.#provider.person = person;
  }

  async sessionsOf(person: Person): Promise<number> {
    const { rows } = await this.#database.query('SELECT 1 FROM directory.operator_sessions WHERE subject = $1', [
      person,
    ]);
    return rows.length;
  }

  /** Moves the sign-ins of a person into the past, beyond the time in which they count as recent. */
  async ageSignIn(person: Person): Promise<void> {
    await this.#database.query(
      "UPDATE directory.operator_sessions SET authenticated_at = authenticated_at - interval '301 s' WHERE subject = $1",
      [person],
    );
  }

  /** Sends a request with a key; with that of the administrator unless another is given. @throws Error for a refusal */
  async send(method: string, path: string, body?: Body, key = this.#adminKey): Promise<Record<string, unknown>> {
    const answer = await fetch(`${this.#origin}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  }

  async #startProduct(): Promise<void> {
    const onClose = (step: () => Promise<unknown>): void => void this.#closers.push(step);
    const database = await createTestDatabase();
    onClose(() => database.drop());
    const folder = await mkdtemp(join(tmpdir(), 'countersign-console-'));
    onClose(() => rm(folder, { recursive: true, force: true }));
    const provider = (this.#provider = await OpenIdTestProvider.open());
    onClose(() => provider.close());
    const receiver = (this.#receiver = await Receiver.start());
    onClose(() => receiver.close());
    const settings = {
      ...{ REST_PORT: '0', SWAIG_PORT: '0', AUDIT_PORT: '0', HOST: '127.0.0.1' },
      ...{ OIDC_ISSUER: provider.issuer, OIDC_CLIENT_ID: CLIENT_ID, OIDC_AUDIENCE: AUDIENCE },
      OIDC_ROLES: JSON.stringify(ROLES),
      // Other tests use the same processors.
      REPLY_TIMEOUT_MS: '20000',
      ...{ WEBHOOK_ALLOW_HTTP: 'true', WEBHOOK_ALLOWED_NETWORKS: '127.0.0.1/32' },
    };
    const found = await productEnvironment(folder, settings, database.url, onClose);
    this.#adminKey = found.createdAdminKey;
    const broker = new MemoryBroker();
    onClose(() => broker.close());
    const fail = (error: Error): never => {
      throw error;
    };
    const replace = { broker, logger: pino({ level: 'silent' }), ops: false } as const;
    const services = await startServices(found.environment, fail, replace, onClose);
    this.#origin = services.find(({ urls }) => urls['rest'])?.urls['rest'] ?? '';
    provider.serve(PEOPLE, [this.#origin]);
    const client = (this.#database = new Postgres({ connectionString: database.url }));
    await client.connect();
    onClose(() => client.end());
    await this.#fill();
  }

  /** A tenant with a locked subject, another subject, a webhook, and a caller whom a limit has refused, for a second subject; and a second tenant. */
  async #fill(): Promise<void> {
    await this.send('PUT', '/v1/tenants/umbrella', { name: 'Umbrella' });
    await this.send('PUT', '/v1/tenants/acme', { name: 'Acme' });
    await this.send('PATCH', '/v1/tenants/acme/policy', {
      knowledge: { questions: [{ name: 'word', description: 'Word', kind: 'text' }] },
      limits: { caller: { limit: 5, periodSeconds: 600 } },
      signals: { subjectsPerCaller: 2 },
    });
    const { apiKey } = await this.send('POST', '/v1/tenants/acme/agents', { agent: 'desk' });
    const webhook = await this.send('POST', '/v1/tenants/acme/webhooks', {
      ...{ url: `${this.#receiver.url}/events`, eventTypes: ['credential.unlocked'], description: 'Desk' },
    });
    this.#webhook = String(webhook['id']);
    for (const [subject, phones] of [['c-1', [PHONE]] as const, ['c-2', []] as const]) {
      await this.send('PUT', `/v1/tenants/acme/subjects/${subject}`, { phones, displayName: 'Grace' });
      await this.send('PUT', `/v1/tenants/acme/subjects/${subject}/pin`, { pin: PIN });
      await this.send('PUT', `/v1/tenants/acme/subjects/${subject}/knowledge`, { answers: { word: ANSWER } });
    }
    const guess = (subject: string, callerPhone: string, callId?: string): Promise<unknown> =>
      this.send(
        ...(['POST', '/v1/verifications'] as const),
        { method: 'pin', subject, callerPhone, pin: WRONG_PIN, ...(callId && { callId }) },
        String(apiKey),
      );
    for (let count = 0; count < 4; count++) await guess('c-1', PHONE, FORMULA_CALL);
    for (let count = 0; count < 5; count++) await guess('nobody', OTHER_PHONE);
    await guess('nobody-else', OTHER_PHONE);
  }
}
