import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, metricValue } from '@countersign/testing';
import { RestTestBed } from '../../test/test-bed.js';
import { readConsoleFiles } from './console-files.js';

/** The most that a browser loads before it shows the first page, in bytes, compressed. */
const FIRST_LOAD_LIMIT = 300_000;

const files = readConsoleFiles();
const textOf = (name: string): string => files.get(name)?.bytes.toString('utf8') ?? '';
const index = textOf('index.html');

describe('the built console', () => {
  it('has no inline script, style or handler, and loads nothing of another host', () => {
    expect(index).toContain('<script type="module"');
    expect(index).not.toMatch(/<script(?![^>]* src=)|<style|style=|\son\w+=/);
    const loaded = [...index.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url);
    expect(loaded.filter((url) => url !== 'data:,' && !url?.startsWith('/console/assets/'))).toEqual([]);
  });

  it(`loads at most ${FIRST_LOAD_LIMIT / 1_000} kB, compressed, before it shows the first page`, () => {
    const names = new Set<string>();
    const visit = (name: string): void => {
      if (names.has(name)) return;
      names.add(name);
      // Static imports only: `import"./x.js"`, `from"./x.js"`. Pages are imported with `import("./x.js")`.
      for (const [, path] of textOf(name).matchAll(/(?:\bfrom|\bimport) ?["']\.\/([\w.-]+\.js)["']/g)) {
        visit(`assets/${path}`);
      }
    };
    for (const [, name] of index.matchAll(/(?:src|href)="\/console\/(assets\/[^"]+)"/g)) visit(name ?? '');
    expect([...names].some((name) => name.endsWith('.css'))).toBe(true);
    const sizes = [...names, 'index.html'].map((name) => gzipSync(files.get(name)?.bytes ?? '').byteLength);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    expect(total).toBeGreaterThan(50_000);
    expect(total).toBeLessThanOrEqual(FIRST_LOAD_LIMIT);
  });

  it('loads the code of each page when the page is opened', () => {
    for (const page of ['overview', 'live', 'subjects', 'webhooks']) {
      const chunk = [...files.keys()].find((name) => new RegExp(`^assets/${page}-page-.*\\.js$`).test(name));
      expect(chunk).toMatch(/\.js$/);
      expect(index).not.toContain(chunk);
    }
  });
});

describe('the routes of the console', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open();
  });
  afterAll(() => bed.close());
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(new URL(path, bed.adapter.urls['rest']), { headers });

  it.each(['/console', '/console/', '/console/subjects', '/console/subjects/acme/a.b%40c', '/console/?x=1'])(
    'show the page at %s, which no cache keeps and which no other site can frame',
    async (path) => {
      const answer = await get(path);
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      expect(await answer.text()).toBe(index);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'cache-control': 'no-store',
        'content-security-policy':
          "default-src 'none'; script-src 'self'; frame-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
          "font-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; " +
          "require-trusted-types-for 'script'; trusted-types 'none'",
        'cross-origin-opener-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      });
    },
  );

  it('serve assets that a browser keeps, compressed where it accepts that', async () => {
    const asset = /\/console\/assets\/[\w.-]+\.js/.exec(index)?.[0] ?? '';
    const compressed = await get(asset, { 'accept-encoding': 'gzip' });
    expect(compressed.headers.get('content-encoding')).toBe('gzip');
    expect(compressed.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect(compressed.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    const plain = await get(asset, { 'accept-encoding': 'identity' });
    expect(plain.headers.get('content-encoding')).toBeNull();
    const bytes = Buffer.from(await plain.arrayBuffer());
    // The client has opened the compressed answer.
    expect(Buffer.from(await compressed.arrayBuffer()).equals(bytes)).toBe(true);
    expect(gunzipSync(gzipSync(bytes)).equals(bytes)).toBe(true);
  });

  it('count loads of the page and of its assets apart', async () => {
    const groups = ['page', 'assets', 'session'];
    const read = (): Promise<number[]> =>
      Promise.all(groups.map((group) => metricValue('countersign_console_request_seconds_count', { group })));
    const before = await read();
    for (const path of ['/console', '/console/live', '/console/assets/none.js']) await (await get(path)).text();
    await eventually('each request is counted', async () => {
      const growth = (await read()).map((value, at) => value - (before[at] ?? 0));
      return growth.join() === '2,1,0';
    });
    const refused = { group: 'assets', outcome: 'refused' };
    expect(await metricValue('countersign_console_request_seconds_count', refused)).toBeGreaterThan(0);
  });

  it.each([
    ...['/console/assets/none.js', '/console/assets/', '/console/assets/../index.html.map', '/console/.built'],
    ...['/console/..%2f..%2fpackage.json', '/console/%2e%2e/package.json', '/console/assets/..%2findex.html'],
    ...['/console/package.json', '/console/session/none', '/console/assets/%5c..%5cindex.html'],
  ])('have no file at %s', async (path) => {
    const { status, body, headers } = await bed.call('GET', path);
    expect([status, body['type']]).toEqual([404, 'urn:countersign:problem:not-found']);
    expect(headers.get('cache-control')).toBe('no-store');
  });
});
