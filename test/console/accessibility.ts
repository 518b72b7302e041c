import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { type Locator, type Page } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Names a folder for pictures of each page: docs/console. */
const PICTURES = process.env['CONSOLE_PICTURES'];

/**
 * Finds violations of WCAG and of good practice with the light colors, and of a whole page also of the contrast with the dark ones.
 * @param part selects the part of the page that is examined; without it, the page
 */
export async function expectAccessible(page: Page, name: string, part?: string): Promise<void> {
  await settle(page);
  const found = await violations(page, part);
  if (part === undefined) {
    await picture(page, `${name}-light`);
    await page.emulateMedia({ colorScheme: 'dark' });
    await settle(page);
    found.push(...(await violations(page, part, ['color-contrast'])));
    await picture(page, `${name}-dark`);
    await page.emulateMedia({ colorScheme: 'light' });
  }
  expect({ name, found }).toEqual({ name, found: [] });
}

/** A part that fades in has less contrast than it will have. */
const settle = (page: Page): Promise<unknown> =>
  page.evaluate(
    'Promise.all(document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime !== Infinity).map((one) => one.finished.catch(() => undefined)))',
  );

async function violations(page: Page, part = 'html', rules?: readonly string[]): Promise<string[]> {
  if (!(await page.evaluate('"axe" in window'))) await page.evaluate(AXE);
  const options = { resultTypes: ['violations'], ...(rules && { runOnly: rules }) };
  return page.evaluate<string[]>(
    `axe.run(${JSON.stringify(part)}, ${JSON.stringify(options)}).then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ target }) => target.join(' ')).join(', ')))`,
  );
}

/** Draws the page when pictures are wanted. */
async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES === undefined) return;
  await mkdir(PICTURES, { recursive: true });
  await writeFile(join(PICTURES, `${name}.png`), await page.screenshot());
}

export const isFocused = (locator: Locator): Promise<boolean> =>
  locator.evaluate((element: ElementOfPage) => element.ownerDocument.activeElement === element);

/** The compiler does not know the types of browsers. */
interface ElementOfPage {
  readonly ownerDocument: { readonly activeElement: unknown };
}

/** Waits until an element has the focus. */
export const waitForFocus = (element: Locator): Promise<unknown> =>
  eventually('the element has the focus', () => isFocused(element));
