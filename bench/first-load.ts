import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

/** Debian's packages. */
const BROWSERS = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'];
const FLAGS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'];

/**
 * Loads the console in a browser with an empty cache, until its sign-in reacts: the form sends the key.
 * @returns milliseconds of each load; undefined without a browser
 */
export async function firstLoads(restUrl: string, adminKey: string, loads: number): Promise<number[] | undefined> {
  const executablePath = BROWSERS.find(existsSync);
  if (executablePath === undefined) return undefined;
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  try {
    const times: number[] = [];
    for (let count = 0; count < loads; count++) {
      const context = await browser.newContext();
      const page = await context.newPage();
      const sent = page.waitForRequest(`${restUrl}/console/session/key`);
      const begun = performance.now();
      await page.goto(`${restUrl}/console/`, { waitUntil: 'commit' });
      await page.getByLabel('Administrator key').fill(adminKey);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await sent;
      times.push(performance.now() - begun);
      await context.close();
    }
    return times;
  } finally {
    await browser.close();
  }
}
