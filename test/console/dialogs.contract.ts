import { expect, it } from '@jest/globals';
import { type Page } from 'playwright-core';
import { waitForFocus } from './accessibility.js';
import { NEW_PIN } from './canaries.js';
import { type ConsoleRig } from './console-rig.js';

const REASON = 'requested in writing';

/** Every dialog, with its action, for an administrator. */
export function dialogs(rig: () => ConsoleRig): void {
  /** Opens a dialog with a button, and finds violations of accessibility in it. */
  async function openDialog(page: Page, button: string | RegExp, name: string): Promise<void> {
    await page.getByRole('button', { name: button }).click();
    await rig().inspect(page, name, '[role=dialog]');
  }

  async function confirm(page: Page, submit: string): Promise<void> {
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Reason').fill(REASON);
    await dialog.getByRole('button', { name: submit, exact: true }).click();
    await dialog.waitFor({ state: 'detached' });
  }

  /** Sends the form from the field of the reason, which has the focus. */
  async function confirmByKey(page: Page): Promise<void> {
    await page.keyboard.type(REASON);
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  }

  it('forces a change of a PIN, and removes answers and PIN of a subject', async () => {
    const page = await rig().as('olga');
    await rig().open(page, 'Subjects');
    await page.getByLabel('Id or telephone number').fill('c-2');
    await page.getByRole('button', { name: 'Find' }).click();
    await openDialog(page, 'Force a change of the PIN', 'dialog of a new PIN');
    await page.getByLabel('New PIN').fill(NEW_PIN);
    await page.getByRole('button', { name: 'Set the PIN' }).click();
    await page.getByText('Must be changed').waitFor();
    await openDialog(page, 'Remove the answers', 'dialog to remove answers');
    await confirm(page, 'Remove');
    await page.getByRole('button', { name: 'Remove the answers' }).waitFor({ state: 'detached' });
    await openDialog(page, 'Remove the PIN', 'dialog to remove a PIN');
    await confirm(page, 'Remove');
    await page.getByText('The subject has no credential.').waitFor();
    await openDialog(page, 'Unlock', 'dialog to unlock');
    await page.keyboard.press('Escape');
  }, 30_000);

  it('overrides a limit for a refused caller, resets its counter, and deletes the override', async () => {
    const page = await rig().as('olga');
    await rig().open(page, 'Attacks');
    await openDialog(page, /^Override: caller ending in/, 'dialog of an override');
    await confirm(page, 'Set the override');
    const row = page.getByRole('table', { name: 'Overrides' }).getByRole('row').filter({ hasText: REASON });
    await row.waitFor();
    expect(await row.textContent()).toContain('10 in 60 s');
    await openDialog(page, /^Reset: caller ending in/, 'dialog to reset a counter');
    await confirm(page, 'Reset the counter');
    await openDialog(page, /^Delete the override/, 'dialog to delete an override');
    await confirmByKey(page);
    await page.getByText('No override is in force.').waitFor();
    await waitForFocus(page.getByRole('heading', { name: 'Overrides' }));
  }, 30_000);

  it('creates an agent and a key, and shows their secrets once', async () => {
    const page = await rig().as('olga');
    await rig().open(page, 'Tenants');
    // A short table is examined faster.
    await page.getByLabel('Find a field').fill('attempts.perWindow');
    await openDialog(page, 'Create an agent', 'dialog of an agent');
    await page.getByRole('dialog').getByLabel('Id').fill('night');
    await create(page);
    const shown = page.locator('[data-secret]');
    await shown.first().waitFor();
    await rig().inspect(page, 'dialog of new secrets', '[role=dialog]');
    const secrets = await shown.allTextContents();
    expect(secrets).toHaveLength(3);
    await page.keyboard.press('Escape');
    expect(await shown.allTextContents()).toEqual(secrets);
    await stored(page);
    await openDialog(page, 'Create an API key', 'dialog of a key');
    await page.getByRole('dialog').getByLabel('Name').fill('Reports');
    await page.getByRole('dialog').getByLabel('manage:read').check();
    await create(page);
    secrets.push((await page.locator('[data-secret=key]').textContent()) ?? '');
    await stored(page);
    await page.getByRole('cell', { name: 'Reports' }).waitFor();
    const content = await page.content();
    // The first one is the user name, which is the id of the agent.
    expect(secrets.map((secret) => content.includes(secret))).toEqual([true, false, false, false]);
  }, 60_000);

  it('rotates, disables, enables and deletes an agent, and the next row gets the focus of the deleted one', async () => {
    const page = await rig().as('olga');
    await openDialog(page, 'Rotate the secrets of desk', 'dialog to rotate secrets');
    await page.keyboard.press('Escape');
    await openDialog(page, 'Disable night', 'dialog to disable an agent');
    await confirm(page, 'Disable');
    await openDialog(page, 'Enable night', 'dialog to enable an agent');
    await page.getByRole('dialog').getByRole('button', { name: 'Enable' }).click();
    await page.getByRole('button', { name: 'Disable night' }).waitFor();
    await openDialog(page, 'Delete night', 'dialog to delete an agent');
    await confirmByKey(page);
    await page.getByRole('button', { name: 'Delete night' }).waitFor({ state: 'detached' });
    await waitForFocus(page.getByRole('button', { name: 'Rotate the secrets of desk' }));
  }, 30_000);

  it('shows the changes of a policy before they are saved', async () => {
    const page = await rig().as('olga');
    await page.getByLabel('New value (JSON): attempts.perWindow').fill('2');
    await openDialog(page, 'Review changes', 'dialog of changes of a policy');
    const changes = page.getByRole('dialog').getByRole('row').nth(1).getByRole('cell');
    expect(await changes.allTextContents()).toEqual(['attempts.perWindow', '3', '2']);
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    const field = page.getByRole('row').filter({ hasText: 'attempts.perWindow' });
    await field.getByText('tenant', { exact: true }).waitFor();
    expect(await field.getByRole('cell').nth(1).textContent()).toBe('2');
  }, 30_000);

  it('creates a tenant and shows it', async () => {
    const page = await rig().as('olga');
    await openDialog(page, 'Create a tenant', 'dialog of a tenant');
    await page.getByRole('dialog').getByLabel('Id').fill('initech');
    await create(page);
    await page.getByRole('heading', { level: 2, name: 'initech' }).waitFor();
    await page.getByRole('button', { name: 'Disable initech' }).click();
    await confirm(page, 'Disable');
    await openDialog(page, 'Delete initech', 'dialog to delete a tenant');
    await page.keyboard.press('Escape');
    await page.getByLabel('Tenant', { exact: true }).selectOption('acme');
  }, 30_000);
}

async function create(page: Page): Promise<void> {
  await page.getByRole('dialog').getByRole('button', { name: 'Create', exact: true }).click();
}

/** Closes the dialog of new secrets. */
async function stored(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'I have stored them' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}
