import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { type Page } from 'playwright-core';
import { callsOf, filled, type ApiCall, type ApiDocument } from '../api/document.js';
import { type ConsoleRig, type Person } from './console-rig.js';

const description = JSON.parse(
  readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'),
) as ApiDocument;
/** A stream has no end, so the description's calls are without it. A refusal of it ends. */
const STREAM: Pick<ApiCall, 'method' | 'path' | 'scopes'> = {
  ...{ method: 'GET', path: '/v1/events/stream', scopes: ['audit'] },
};
const CALLS = [...callsOf(description).filter(({ scopes }) => scopes.length > 0), STREAM];

/** Pages with actions, and what is there once all their actions are. */
const PAGES = {
  subject: { path: '/subjects/acme/c-1', title: 'Subject c-1', content: ['Answers'] },
  attacks: { path: '/attacks', title: 'Attacks', content: ['caller ending in 76'] },
  tenants: { path: '/tenants', title: 'Tenants', content: ['desk', 'Reports', 'attempts.perWindow'] },
  audit: { path: '/audit', title: 'Audit', content: ['State of the log'] },
  deliveries: { path: '/webhooks/acme/{webhook}', title: 'Deliveries', content: ['Credential unlocked'] },
} as const;
type PageName = keyof typeof PAGES;

/** Buttons that change nothing. */
const READING = /^(Refresh|Show|Show more|Search|Clear the filters|Pin the key|Remove the pinned key)$/;

interface Expected {
  readonly navigation: readonly string[];
  /** What can be done on each page. Every other page states that the roles do not permit it. */
  readonly actions: Readonly<Partial<Record<PageName, readonly string[]>>>;
  readonly scopes: readonly string[];
}

const EXPORTS = ['Export as ndjson', 'Export as csv', 'Export as ndjson.gz'];
const ALL_PAGES = ['Overview', 'Live', 'Subjects', 'Attacks', 'Tenants', 'Audit', 'Webhooks'];
const OPERATOR: Expected = {
  navigation: ALL_PAGES,
  actions: { subject: ['Unlock'], attacks: ['Override', 'Reset'], tenants: [], audit: EXPORTS, deliveries: [] },
  scopes: ['manage:read', 'manage:operate', 'audit'],
};
const EXPECTED: Readonly<Record<Person, Expected>> = {
  rita: {
    navigation: ['Overview', 'Live', 'Attacks', 'Audit'],
    actions: { attacks: [], audit: EXPORTS },
    scopes: ['audit'],
  },
  vera: {
    navigation: ['Overview', 'Subjects', 'Tenants', 'Webhooks'],
    actions: { subject: [], tenants: [], deliveries: [] },
    scopes: ['manage:read'],
  },
  bob: OPERATOR,
  otto: OPERATOR,
  olga: {
    navigation: ALL_PAGES,
    actions: {
      subject: ['Unlock', 'Force a change of the PIN', 'Remove the PIN', 'Remove the answers', 'Erase'],
      attacks: ['Override', 'Reset'],
      tenants: [
        ...['Create a tenant', 'Create an agent', 'Create an API key', 'Delete', 'Disable', 'Enable'],
        ...['Inherit', 'Review changes', 'Rotate'],
      ],
      ...{ audit: EXPORTS, deliveries: ['Send again'] },
    },
    scopes: ['manage', 'manage:read', 'manage:operate', 'audit'],
  },
};

/** What each role is refused, in the page and by the API with the session of the page. */
export function roles(rig: () => ConsoleRig): void {
  it.each(Object.keys(EXPECTED) as Person[])(
    'shows %s only the actions of the own role, and the API refuses the session all others',
    async (person) => {
      const { navigation, actions, scopes } = EXPECTED[person];
      const page = await rig().as(person);
      expect(await page.getByRole('navigation').getByRole('link').allTextContents()).toEqual(navigation);
      if (person !== 'rita') await page.getByLabel('Tenant', { exact: true }).selectOption('acme');
      const { webhook } = rig();
      for (const name of Object.keys(PAGES) as PageName[]) {
        const { path, title, content } = PAGES[name];
        await rig().go(page, path.replace('{webhook}', webhook));
        const main = page.getByRole('main');
        const expected = actions[name];
        if (expected !== undefined) await page.getByRole('heading', { level: 1, name: title }).waitFor();
        const texts = expected === undefined ? ['Your roles do not permit this page.'] : content;
        for (const text of texts) await main.getByText(text).first().waitFor();
        expect({ name, actions: await actionsOf(page) }).toEqual({ name, actions: [...(expected ?? [])].sort() });
      }
      const calls = CALLS.filter((call) => !call.scopes.some((scope) => scopes.includes(scope)));
      expect(calls.length).toBeGreaterThan(0);
      // An auditor must not learn which tenants and subjects exist.
      const expected = calls.map(({ method, path, scopes: [scope = ''] }) =>
        scope.startsWith('manage') && !scopes.includes('manage:read')
          ? `${method} ${path} 404`
          : `${method} ${path} 403`,
      );
      expect(await statusesOf(page, calls, { webhook })).toEqual(expected);
    },
    30_000,
  );

  it('answers an operator of one tenant about another as about an unknown one', async () => {
    const page = await rig().as('bob');
    const tenants = page.getByLabel('Tenant', { exact: true });
    expect(await tenants.getByRole('option').allTextContents()).toEqual(['acme']);
    const calls = CALLS.filter(({ path }) => path.startsWith('/v1/tenants/{tenant}'));
    const statuses = await statusesOf(page, calls, { tenant: 'umbrella', webhook: rig().webhook });
    expect(statuses).toEqual(calls.map(({ method, path }) => `${method} ${path} 404`));
    await rig().go(page, '/subjects/umbrella/c-1');
    await page.getByText('Your roles do not permit this page.').waitFor();
  }, 30_000);
}

/** Each once, sorted. */
async function actionsOf(page: Page): Promise<string[]> {
  const buttons = await page.locator('main button.mantine-Button-root, main a[target=export]').allTextContents();
  return [...new Set(buttons)].filter((text) => !READING.test(text)).sort();
}

/** Sends calls as the page does: with the cookie and the token of its session. */
function statusesOf(
  page: Page,
  calls: readonly Pick<ApiCall, 'method' | 'path'>[],
  values: Readonly<Record<string, string>>,
): Promise<string[]> {
  const id = '019a8000-0000-7000-8000-000000000000';
  const known = { tenant: 'acme', agent: 'desk', subject: 'c-1', callId: 'call-1', keyId: id, override: id };
  const requests = calls.map(({ method, path }) => ({
    ...{ method, name: `${method} ${path}` },
    address: filled(path, { ...known, event: id, delivery: id, ...values }),
  }));
  return page.evaluate(async (sent) => {
    const session = (await (await fetch('/console/session')).json()) as { csrfToken: string };
    return Promise.all(
      sent.map(async ({ method, name, address }) => {
        const isRead = method === 'GET';
        const headers = { 'x-csrf-token': session.csrfToken, 'content-type': 'application/json' };
        const answer = await fetch(address, isRead ? {} : { method, headers, body: '{}' });
        // An answer that is not read does not end.
        await answer.text();
        return `${name} ${answer.status}`;
      }),
    );
  }, requests);
}
