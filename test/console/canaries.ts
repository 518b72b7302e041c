import { type BrowserContext, type Page, type Response } from 'playwright-core';

/** What no answer, page, address, stored value or log may contain. Chance produces none of them. */
export const PIN = '73918264';
export const WRONG_PIN = '51739206';
export const NEW_PIN = '62840917';
export const ANSWER = 'canary-84620913';
export const PHONE = '+12025550183';
/** Of a caller whose attempts a limit refuses. */
export const OTHER_PHONE = '+12025550176';

const SECRETS = [PIN, WRONG_PIN, NEW_PIN, ANSWER, PHONE, OTHER_PHONE].map((secret) => secret.replace(/^\+1/, ''));
/** Not a secret: a test shows it, to prove that shown text is searched. */
export const SHOWN_MARK = 'shown-mark-40291758';

/** Everything that operators' browsers got, showed and stored. */
export class Seen {
  /** Addresses of pages and requests, lines of the console, answers, downloads, stored values. */
  readonly texts: string[] = [];
  /** Lines of the consoles, which have the violations of the policy. */
  readonly lines: string[] = [];
  /** Which of the secrets, and of {@link SHOWN_MARK}, were part of a page at any time. */
  readonly shown: string[] = [];
  /** Addresses of answers that could not be read. */
  readonly unread: string[] = [];
  readonly #reads: Promise<void>[] = [];

  /** Records a browser from its first page on. */
  async watch(context: BrowserContext): Promise<void> {
    await context.exposeBinding('recordShown', (_source, word: string) => void this.shown.push(word));
    await context.addInitScript(`(${WATCH})(${JSON.stringify([...SECRETS, SHOWN_MARK])})`);
    context.on('request', (request) => void this.texts.push(request.url()));
    context.on('console', (message) => void this.lines.push(message.text()));
    context.on('weberror', (error) => void this.lines.push(String(error.error())));
    context.on('response', (response) => void this.#reads.push(this.#read(response)));
    context.on('page', (page) => page.on('framenavigated', (frame) => void this.texts.push(frame.url())));
  }

  /** Records the parts of a stream of events, which has no end. */
  async watchStreams(page: Page): Promise<void> {
    const session = await page.context().newCDPSession(page);
    const add = (data: string | undefined): void => {
      if (data !== undefined) this.texts.push(Buffer.from(data, 'base64').toString('utf8'));
    };
    session.on('Network.dataReceived', ({ data }) => add(data));
    session.on('Network.responseReceived', ({ requestId, response }) => {
      if (!isStream(response.url) || response.status !== 200) return;
      // Fails for a stream that the page has closed already.
      const buffered = session.send('Network.streamResourceContent', { requestId });
      buffered.then(({ bufferedData }) => add(bufferedData)).catch(() => undefined);
    });
    await session.send('Network.enable');
  }

  /** Records what a page has stored. */
  async recordStorage(page: Page): Promise<void> {
    const state = await page.context().storageState({ indexedDB: true });
    this.texts.push(JSON.stringify(state), await page.evaluate<string>('JSON.stringify({ ...sessionStorage })'));
  }

  /** @returns where secrets were found, when all answers have been read */
  async found(): Promise<string[]> {
    await Promise.all(this.#reads);
    const inTexts = [...this.texts, ...this.lines].filter((text) => SECRETS.some((secret) => text.includes(secret)));
    return [...inTexts.map((text) => text.slice(0, 300)), ...this.shown.filter((word) => word !== SHOWN_MARK)];
  }

  async #read(response: Response): Promise<void> {
    const url = response.url();
    // Files of the build are the same for everybody. A test reads what is exported.
    const isFile = url.includes('/console/assets/') || 'content-disposition' in response.headers();
    const hasNoBody = [204, 302, 303].includes(response.status());
    if (isFile || hasNoBody || (isStream(url) && response.ok())) return;
    const text = await response.text().catch(() => undefined);
    if (text === undefined) this.unread.push(url);
    else this.texts.push(text);
  }
}

const isStream = (url: string): boolean => url.includes('/v1/events/stream');

/** Runs in each document, with the searched words. A field in which the operator types is not searched. */
const WATCH = `(words) => {
  const search = (text) => words.filter((word) => text?.includes(word)).forEach((word) => void recordShown(word));
  new MutationObserver((mutations) => {
    for (const { type, target, attributeName, addedNodes } of mutations) {
      if (type === 'characterData') search(target.textContent);
      else if (type === 'childList') addedNodes.forEach((node) => search(node.outerHTML ?? node.textContent));
      else if (!(target instanceof HTMLInputElement && attributeName === 'value')) search(target.getAttribute(attributeName));
    }
  }).observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
}`;
