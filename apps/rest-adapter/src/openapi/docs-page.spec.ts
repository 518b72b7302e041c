import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RestTestBed } from '../../test/test-bed.js';
import { DocsPageController } from './docs-page.controller.js';

describe('the page /docs', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open();
  });
  afterAll(() => bed.close());

  it('runs no inline script or style, and allows none', async () => {
    const page = await fetch(new URL('/docs', bed.adapter.urls['rest']));
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    const html = await page.text();
    expect(html).not.toMatch(/<script(?![^>]* src=)|<style|style=|\son\w+=/);
  });

  it('loads only files of this service, and each of them is there with its type', async () => {
    const address = new URL('/docs', bed.adapter.urls['rest']);
    const html = await (await fetch(address)).text();
    const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)]
      .map((match) => match[1] ?? '')
      .filter((url) => url !== 'data:,');
    expect(files).toHaveLength(3);
    for (const file of files) {
      const url = new URL(file, address);
      expect(url.origin).toBe(address.origin);
      const served = await fetch(url);
      expect(served.status).toBe(200);
      expect(served.headers.get('content-type')).toMatch(file.endsWith('.css') ? /^text\/css/ : /^text\/javascript/);
      expect(served.headers.get('cache-control')).toBe('public, max-age=86400');
      expect((await served.arrayBuffer()).byteLength).toBeGreaterThan(50);
    }
    const script = await (await fetch(new URL('docs/page.js', address))).text();
    expect(script).toContain('validatorUrl: null');
    expect((await fetch(new URL(/url: '([^']+)'/.exec(script)?.[1] ?? '', address))).status).toBe(200);
  });

  it.each(['package.json', '..%2fpackage.json', 'swagger-ui.js', '%2e%2e'])('does not serve %s', async (name) => {
    const { status, body, headers } = await bed.call('GET', `/docs/${name}`);
    expect([status, body['type']]).toEqual([404, 'urn:countersign:problem:not-found']);
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('reads the files of the package once, not for each request', () => {
    const controller = new DocsPageController();
    expect(controller.style()).toBe(controller.style());
    expect(controller.bundle()).toBe(controller.bundle());
  });
});
