import { readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { type Page } from 'playwright-core';
import { FORMULA_CALL, type ConsoleRig } from './console-rig.js';

/** What an auditor does. */
export function auditing(rig: () => ConsoleRig): void {
  it('verifies the proof of an event in the browser, with a pinned key too', async () => {
    const page = await rig().as('rita');
    await rig().open(page, 'Audit');
    const reads = page.getByRole('button', { name: 'Events read' });
    await page.getByRole('button', { name: 'Attempt decided' }).first().waitFor();
    expect(await reads.count()).toBe(0);
    await page.getByLabel('Show reads of events').check();
    await reads.first().waitFor();
    // What follows more reads than one view passes over is not stated to be nothing.
    const onlyReads = { items: [], nextCursor: 'more' };
    await page.route('**/v1/events?limit=*', (route) => route.fulfill({ json: onlyReads }));
    await page.getByLabel('Show reads of events').uncheck();
    await page.reload();
    await page.getByText('None so far. There is more to show.').waitFor();
    await page.getByRole('button', { name: 'Show more' }).waitFor();
    await page.unroute('**/v1/events?limit=*');
    await page.getByLabel('Kind').selectOption('credential.unlocked');
    await page.getByRole('button', { name: 'Search' }).click();
    const event = page.getByRole('button', { name: 'Credential unlocked' });
    await page.getByRole('button', { name: 'Attempt decided' }).first().waitFor({ state: 'detached' });
    await event.waitFor();
    await rig().inspect(page, 'audit');
    await event.click();
    await page.getByText('Verified in this browser').waitFor();
    await page.getByText(/^Only|Only the key that the server states/).waitFor();
    await page.getByText('"called back at the number on file"').first().waitFor();
    await rig().inspect(page, 'dialog of an event', '[role=dialog]');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    const { keys } = (await rig().send('GET', '/v1/log')) as { keys: string[] };
    await page.getByLabel('Verifier key of the log').fill(keys.join('\n'));
    await page.getByRole('button', { name: 'Pin the key' }).click();
    await event.click();
    await page.getByText('The key that you pinned has signed it.').waitFor();
    await page.keyboard.press('Escape');
  }, 30_000);

  it('exports the events that were searched, without a formula in CSV', async () => {
    const page = await rig().as('rita');
    await page.getByLabel('Kind').selectOption('attempt.decided');
    await page.getByLabel('Subject').fill('c-1');
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('button', { name: 'Attempt decided' }).first().waitFor();
    const shown = await page.getByRole('table', { name: 'Audit' }).getByRole('row').allTextContents();
    const lines = (await exported(rig(), page, 'ndjson')).trimEnd().split('\n');
    const events = lines.map((line) => JSON.parse(line) as { metadata: { uid: string } });
    const csv = await exported(rig(), page, 'csv');
    const rows = parse<Record<string, string>>(csv, { columns: true });
    expect(shown.length - 1).toBe(4);
    expect(rows.map(({ id }) => id)).toEqual(events.map(({ metadata }) => metadata.uid));
    expect(rows.map(({ event }) => event)).toEqual(lines);
    for (const { type, tenant, subject, call } of rows)
      expect({ type, tenant, subject, call }).toEqual({
        ...{ type: 'attempt.decided', tenant: 'acme', subject: 'c-1', call: `'${FORMULA_CALL}` },
      });
    expect(csv).not.toMatch(/(^|,)"?[=+@-]/m);
  }, 30_000);

  it('states why an export was refused, without another export', async () => {
    const page = await rig().as('rita');
    const exports: string[] = [];
    page.on('request', (request) => {
      if (request.url().includes('/v1/events/export')) exports.push(request.url());
    });
    // The frame gets the refusal of the API: the name of the format is unknown to it.
    await page.getByRole('link', { name: 'Export as csv' }).evaluate((link: LinkOfPage) => {
      link.href = link.href.replace('format=csv', 'format=xml');
    });
    await page.getByRole('link', { name: 'Export as csv' }).click();
    const alert = page.getByRole('alert').filter({ hasText: 'The export did not begin' });
    await alert.getByText('format must be one of ndjson, csv, ndjson.gz').waitFor();
    expect(exports).toHaveLength(1);
    page.removeAllListeners('request');
  }, 30_000);
}

/** The compiler does not know the types of browsers. */
interface LinkOfPage {
  href: string;
}

/** Follows a link of the page, and reads the file. */
async function exported(rig: ConsoleRig, page: Page, format: string): Promise<string> {
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: `Export as ${format}`, exact: true }).click();
  const text = await readFile(await (await download).path(), 'utf8');
  rig.seen.texts.push(text);
  return text;
}
