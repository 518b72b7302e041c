import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { auditing } from './audit.contract.js';
import { SHOWN_MARK } from './canaries.js';
import { ConsoleRig } from './console-rig.js';
import { dialogs } from './dialogs.contract.js';
import { pages, deliveries } from './pages.contract.js';
import { roles } from './roles.contract.js';
import { sessions } from './sessions.contract.js';
import { unlocking } from './unlock.contract.js';

/** One product and one browser for all: each part continues in the state that the part before it has left. */
describe('the console', () => {
  const rig = new ConsoleRig();
  beforeAll(() => rig.start(), 120_000);
  afterAll(() => rig.stop(), 60_000);

  describe('pages', () => pages(() => rig));
  describe('unlocking', () => unlocking(() => rig));
  describe('deliveries', () => deliveries(() => rig));
  describe('dialogs', () => dialogs(() => rig));
  describe('audit', () => auditing(() => rig));
  describe('roles', () => roles(() => rig));
  describe('sessions', () => sessions(() => rig));

  it('shows no PIN, answer or whole number in an answer, a file, a page, an address, a stored value or a line of the browser', async () => {
    const { seen } = rig;
    for (const page of rig.pages()) await seen.recordStorage(page);
    expect(await seen.found()).toEqual([]);
    // The browser leaves the page before it has read the answer to a sign-out, of the console or of the provider.
    const isSignOut = (url: string): boolean =>
      /\/(console\/session\/sign-out|session\/end)$/.test(new URL(url).pathname);
    expect(seen.unread.filter((url) => !isSignOut(url))).toEqual([]);
    // The search reads what the browsers got.
    expect(seen.texts.join()).toContain('called back at the number on file');
    await rig.pages()[0]?.evaluate(`document.title = ${JSON.stringify(SHOWN_MARK)}`);
    await rig.eventually('the mark was seen in the page', () => seen.shown.includes(SHOWN_MARK));
  });

  it('has examined every page of the navigation for accessibility', () => {
    const pages = ['overview', 'live', 'subjects', 'attacks', 'tenants', 'audit', 'webhooks'];
    expect([...rig.inspected]).toEqual(expect.arrayContaining(pages));
  });

  it('breaks no rule of the policy for content, and logs no error', () => {
    expect(rig.seen.lines.filter((line) => /Content Security Policy|Trusted|violates|Error/i.test(line))).toEqual([]);
  });
});
