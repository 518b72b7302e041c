import { expect, it } from '@jest/globals';
import { type ConsoleRig } from './console-rig.js';

/** How sessions begin, age and end in the page. */
export function sessions(rig: () => ConsoleRig): void {
  it('states that a sign-out has failed, and stays signed in', async () => {
    const page = await rig().as('bob');
    await page.route('**/console/session/sign-out', (route) => route.abort());
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByRole('alert').getByText('The server does not answer.').waitFor();
    expect(await page.getByRole('navigation').count()).toBe(1);
    await page.unroute('**/console/session/sign-out');
  }, 30_000);

  it('shows the sign-in when a request finds that the session has ended', async () => {
    const page = await rig().as('bob');
    await page.context().clearCookies();
    await page.getByRole('navigation').getByRole('link', { name: 'Webhooks' }).click();
    await page.getByRole('link', { name: 'Sign in with your provider' }).waitFor();
    expect(await page.getByRole('navigation').count()).toBe(0);
  }, 30_000);

  it('signs an operator out everywhere, here and at the provider', async () => {
    await rig().open(await rig().as('otto'), 'Live');
    const other = await rig().as('bob');
    await rig().signIn(other, 'otto');
    await other.getByRole('button', { name: 'Sign out everywhere' }).click();
    await other.waitForURL((url) => url.origin !== rig().origin);
    await expect(rig().sessionsOf('otto')).resolves.toBe(0);
  }, 30_000);

  it('erases a subject after a typed confirmation, and after another sign-in when the first one is old', async () => {
    const page = await rig().as('olga');
    await rig().go(page, '/subjects/acme/c-2?action=erase');
    const dialog = page.getByRole('dialog', { name: 'Erase' });
    const erase = dialog.getByRole('button', { name: 'Erase' });
    const fill = async (word: string): Promise<void> => {
      await dialog.getByLabel('Reason').fill('the customer requested it');
      await dialog.getByLabel('Type c-2 to confirm').fill(word);
    };
    await fill('c-1');
    expect(await erase.isDisabled()).toBe(true);
    await rig().inspect(page, 'dialog to erase', '[role=dialog]');
    await fill('c-2');
    await rig().ageSignIn('olga');
    await erase.click();
    const again = page.getByRole('dialog', { name: 'Sign in again' });
    await again.waitFor();
    await rig().inspect(page, 'dialog to sign in again', '[role=dialog]');
    rig().sitsDown('olga');
    const tab = page.context().waitForEvent('page');
    const atProvider = page.context().waitForEvent('request', (request) => request.url().includes('max_age=0'));
    await again.getByRole('link', { name: /^Sign in again/ }).click();
    await Promise.all([atProvider, (await tab).waitForEvent('close')]);
    await again.waitFor({ state: 'detached' });
    await erase.click();
    await page.getByRole('heading', { level: 1, name: 'Subjects' }).waitFor();
    await expect(rig().send('GET', '/v1/tenants/acme/subjects/c-2')).rejects.toThrow('404');
  }, 30_000);

  it('shows the sign-in to who follows events when the session was ended elsewhere', async () => {
    const live = await rig().as('otto');
    await live.getByRole('link', { name: 'Sign in with your provider' }).waitFor();
    expect(await live.getByRole('table').count()).toBe(0);
  }, 30_000);

  it('shows no page after the sign-out', async () => {
    const page = await rig().as('olga');
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.waitForURL((url) => url.origin !== rig().origin);
    await page.goto(`${rig().origin}/console/subjects/acme/c-1`);
    await page.getByRole('link', { name: 'Sign in with your provider' }).waitFor();
    expect(await page.getByText('c-1').count()).toBe(0);
    await page.route('**/console/session', (route) => route.fulfill({ status: 401, json: { signIn: 'key' } }));
    await page.reload();
    await page.getByLabel('Administrator key').waitFor();
    await rig().inspect(page, 'sign-in by key', 'main');
  }, 30_000);
}
