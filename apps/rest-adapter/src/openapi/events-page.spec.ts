import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FACT_KINDS } from '@countersign/contracts';
import { RestTestBed } from '../../test/test-bed.js';

describe('the page /docs/events', () => {
  let bed: RestTestBed;
  let address: URL;
  let html = '';
  beforeAll(async () => {
    bed = await RestTestBed.open();
    address = new URL('/docs/events', bed.adapter.urls['rest']);
    html = await (await fetch(address)).text();
  });
  afterAll(() => bed.close());

  it('has no script and no inline style, and its Content-Security-Policy allows none', async () => {
    const page = await fetch(address);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/script-src|unsafe/);
    expect(html).not.toMatch(/<script|<style|style=|\son\w+=|javascript:/i);
  });

  it('loads and links only files of this service, and each of them exists', async () => {
    const targets = [...html.matchAll(/(?:src|href)="([^"#][^"]*)"/g)].map(([, target]) => target ?? '');
    const files = [...new Set(targets)].filter((target) => target !== 'data:,');
    expect(files.sort()).toEqual(['asyncapi.yaml', 'events.css']);
    for (const [file, type] of Object.entries({ 'asyncapi.yaml': 'application/yaml', 'events.css': 'text/css' })) {
      const served = await fetch(new URL(file, address));
      expect([served.status, served.headers.get('content-type')]).toEqual([200, `${type}; charset=utf-8`]);
      expect(await served.text()).toBe(readFileSync(`docs/${file}`, 'utf8'));
    }
  });

  it('describes every kind of event, with links that lead to a heading', () => {
    const ids = new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    for (const kind of FACT_KINDS) expect(ids).toContain(kind);
    const anchors = [...html.matchAll(/href="#([^"]+)"/g)].map(([, anchor]) => anchor);
    expect(anchors.filter((anchor) => !ids.has(anchor))).toEqual([]);
  });
});
