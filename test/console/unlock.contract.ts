import { expect, it } from '@jest/globals';
import { type Locator, type Page } from 'playwright-core';
import { isFocused } from './accessibility.js';
import { PHONE } from './canaries.js';
import { type ConsoleRig } from './console-rig.js';

const REASON = 'called back at the number on file';

/** What an operator does when a caller is locked. */
export function unlocking(rig: () => ConsoleRig): void {
  it('lets an operator sign in, find a locked subject and unlock it with the keyboard alone, and shows the event live', async () => {
    const page = await rig().newPage();
    rig().keep('otto', page);
    await page.goto(`${rig().origin}/console`);
    const signIn = page.getByRole('link', { name: 'Sign in with your provider' });
    await signIn.waitFor();
    expect(await page.getByRole('navigation').count()).toBe(0);
    await rig().inspect(page, 'sign-in');
    rig().sitsDown('otto');
    await press(page, signIn, 'Enter');
    await page.getByText('Otto Operator (operator)').waitFor();
    const live = await followLive(rig(), page);

    await press(page, page.getByLabel('Tenant', { exact: true }), 'ArrowDown');
    await press(page, page.getByRole('navigation').getByRole('link', { name: 'Subjects' }), 'Enter');
    const heading = page.getByRole('heading', { level: 1, name: 'Subjects' });
    await heading.waitFor();
    expect(await isFocused(heading)).toBe(true);
    await focusByTab(page, page.getByLabel('Id or telephone number'));
    await page.keyboard.type(PHONE);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Subject c-1' }).waitFor();
    await page.getByText(/Locked for/).waitFor();
    await page.getByText(`+1…${PHONE.slice(-2)}`).waitFor();

    const unlock = page.getByRole('button', { name: 'Unlock' });
    const dialog = page.getByRole('dialog');
    await press(page, unlock, 'Enter');
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await isFocused(unlock)).toBe(true);
    await page.keyboard.press('Enter');
    await dialog.waitFor();
    expect(await isFocused(page.getByLabel('Reason'))).toBe(true);
    await page.keyboard.type(REASON);
    await page.keyboard.press('Enter');
    await page.getByText(/Locked for/).waitFor({ state: 'detached' });
    expect(await page.getByText('In use').count()).toBe(2);
    await dialog.waitFor({ state: 'detached' });
    expect(await isFocused(unlock)).toBe(true);

    const row = live.getByRole('row').filter({ hasText: 'Credential unlocked' });
    await row.waitFor();
    expect(await row.textContent()).toContain('Otto Operator');
    expect(await row.textContent()).toContain(REASON);
    await rig().inspect(live, 'live');
  }, 60_000);
}

/** The page Live in another window of the same browser, once it follows the stream. */
async function followLive(rig: ConsoleRig, page: Page): Promise<Page> {
  const live = await page.context().newPage();
  await rig.seen.watchStreams(live);
  const stream = live.waitForResponse((response) => response.url().includes('/v1/events/stream'));
  await live.goto(`${rig.origin}/console/live`);
  await live.getByRole('heading', { level: 1, name: 'Live' }).waitFor();
  expect((await stream).status()).toBe(200);
  return live;
}

/** More than any page has before what the test uses. */
const MOST_TABS = 40;

/** Moves the focus forward until an element has it. */
async function focusByTab(page: Page, element: Locator): Promise<void> {
  await element.waitFor();
  for (let count = 0; count < MOST_TABS; count++) {
    if (await isFocused(element)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error('The Tab key does not reach the element.');
}

async function press(page: Page, element: Locator, key: string): Promise<void> {
  await focusByTab(page, element);
  await page.keyboard.press(key);
}
