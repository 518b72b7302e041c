import { expect, it } from '@jest/globals';
import { type ConsoleRig } from './console-rig.js';

/** Every page of the navigation, for an administrator. */
export function pages(rig: () => ConsoleRig): void {
  it('shows attempts, locked subjects, attacks and tenants to an administrator', async () => {
    const page = await rig().as('olga');
    await page.getByRole('img', { name: /^Attempts/ }).waitFor();
    await rig().inspect(page, 'overview');
    await page.getByLabel('Tenant', { exact: true }).selectOption('acme');
    await rig().open(page, 'Subjects');
    const subject = page.getByRole('link', { name: 'c-1' });
    await subject.waitFor();
    await rig().inspect(page, 'subjects');
    await subject.click();
    await page.getByText(/Locked for/).waitFor();
    await page.getByRole('row').filter({ hasText: 'Credential locked' }).first().waitFor();
    await rig().inspect(page, 'subject');
    await rig().open(page, 'Attacks');
    await page.getByRole('button', { name: /^Override: caller ending in/ }).waitFor();
    await page.getByRole('table', { name: 'Detected attacks' }).getByRole('cell', { name: 'acme' }).first().waitFor();
    await rig().inspect(page, 'attacks');
    await rig().open(page, 'Tenants');
    await page.getByText('attempts.perWindow', { exact: true }).waitFor();
    await rig().inspect(page, 'tenants');
  }, 60_000);

  it('takes the typed id of a tenant when there are more tenants than a list shows', async () => {
    const page = await rig().as('olga');
    const names = '**/v1/tenants?limit=200';
    await page.route(names, (route) => route.fulfill({ json: { items: [], nextCursor: 'more' } }));
    await page.reload();
    await page.getByLabel('Only tenant').fill('umbrella');
    // An answer that arrives during the reload would stay unread, and the search for secrets reads all.
    const answers = ['agents', 'keys', 'policy'].map((part) => page.waitForResponse(new RegExp(`/umbrella/${part}`)));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 2, name: 'umbrella' }).waitFor();
    for (const answer of answers) await (await answer).finished();
    await page.unroute(names);
    await page.reload();
    await page.getByLabel('Tenant', { exact: true }).selectOption('acme');
  }, 30_000);
}

/** The deliveries of a webhook. The last of the pages. */
export function deliveries(rig: () => ConsoleRig): void {
  it('shows the deliveries of a webhook, and sends one again', async () => {
    const page = await rig().as('olga');
    await rig().open(page, 'Webhooks');
    const webhook = page.getByRole('link', { name: `${rig().receiver.url}/events` });
    await webhook.waitFor();
    await rig().inspect(page, 'webhooks');
    await webhook.click();
    await page.getByRole('row').filter({ hasText: 'Credential unlocked' }).filter({ hasText: 'delivered' }).waitFor();
    await rig().inspect(page, 'deliveries');
    await page.getByRole('button', { name: 'Send again: Credential unlocked' }).click();
    await rig().eventually('the receiver gets the delivery again', () => rig().receiver.received.length === 2);
    const [first, again] = rig().receiver.received;
    expect(again).toMatchObject({ body: first?.body, headers: { 'webhook-id': first?.headers['webhook-id'] } });
  }, 30_000);
}
