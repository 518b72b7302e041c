import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Health } from '@countersign/observability';
import { ADMIN_KEY, AGENT_KEY, API_KEYS, RestTestBed } from '../../test/test-bed.js';

const METRICS = `# HELP countersign_consumer_lag_records Records
countersign_consumer_lag_records{service="audit",group="audit",topic="countersign.facts",partition="0"} 5
countersign_consumer_lag_records{service="audit",group="audit",topic="countersign.facts",partition="1"} 7
countersign_consumer_lag_records{service="audit",group="audit-reports",topic="attempts.reports",partition="0"} 0
countersign_consumer_lag_records{service="other",group="x",topic="y",partition="0"} 900
countersign_outbox_pending_records{service="audit"} 3
countersign_outbox_oldest_age_seconds{service="audit"} Nan
countersign_hash_load{service="verification"} 12
`;

describe('the health of all services', () => {
  const servers: Server[] = [];
  const asked = new Map<string, number>();
  let bed: RestTestBed;
  const serve = async (name: string, answer: RequestListener): Promise<string> => {
    const server = createServer((request, response) => {
      asked.set(name, (asked.get(name) ?? 0) + 1);
      answer(request, response);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `${name}=http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };

  beforeAll(async () => {
    const audit = new Health().add('broker', () => true).add('database', () => false);
    const services = { audit: audit.report(), verification: new Health().report() };
    const working = await serve('working', ({ url }, response) => {
      if (url === '/metrics') response.end(METRICS);
      else response.writeHead(503).end(JSON.stringify({ status: 'unavailable', services }));
    });
    const [, target = ''] = working.split('=');
    const urls = [
      working,
      await serve('silent', () => undefined),
      await serve('redirecting', ({ url }, response) => response.writeHead(302, { location: `${target}${url}` }).end()),
      await serve('endless', (_request, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write('x'.repeat(65_536)));
          response.once('drain', more);
        };
        more();
      }),
      await serve('other', (_request, response) => response.end('{"status":"ok"}')),
      'absent=http://127.0.0.1:1',
    ];
    bed = await RestTestBed.open({ SERVICES_URLS: urls.join(',') });
  });
  afterAll(async () => {
    await bed.close();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  it('names failing checks, lag, queue and outbox of each service, and what gives no valid answer as unreachable', async () => {
    const { status, body } = await bed.call('GET', '/v1/services', { key: ADMIN_KEY });
    const unreachable = (process: string): object => ({
      ...{ process, service: process, status: 'unreachable', failing: [], lag: [] },
    });
    expect([status, body['items']]).toEqual([
      200,
      [
        {
          ...{ process: 'working', service: 'audit', status: 'not_ready', failing: ['database'], outboxPending: 3 },
          lag: [{ group: 'audit', topic: 'countersign.facts', records: 12 }],
        },
        { process: 'working', service: 'verification', status: 'ready', failing: [], lag: [], hashLoad: 12 },
        ...['silent', 'redirecting', 'endless', 'other', 'absent'].map(unreachable),
      ],
    ]);
  });

  it('is read once for all requests of the same two seconds', async () => {
    const [before, began] = [asked.get('other'), performance.now()];
    await Promise.all(Array.from({ length: 50 }, () => bed.call('GET', '/v1/services', { key: ADMIN_KEY })));
    // Readings of two addresses: one if the kept answer was too old, and one for every two seconds that the requests took.
    const readings = 1 + Math.floor((performance.now() - began) / 2_000);
    expect((asked.get('other') ?? 0) - (before ?? 0)).toBeLessThanOrEqual(2 * readings);
  });

  it.each([
    ['a key of a tenant that manages', API_KEYS.manage, 404],
    ['a key of a tenant that reads events', API_KEYS.audit, 404],
    ['an agent', AGENT_KEY, 404],
    ['a wrong key', 'canary', 401],
  ])('is not shown to %s', async (_who, key, status) => {
    expect((await bed.call('GET', '/v1/services', { key })).status).toBe(status);
  });

  it.each([
    'audit=http://audit:9464/metrics',
    'audit=ftp://audit',
    'http://audit:9464',
    'a=http://a,a=http://b',
    Array.from({ length: 33 }, (_, at) => `p${at}=http://a:${at + 1}`).join(),
  ])('is not read from %s, which ends the start', async (SERVICES_URLS) => {
    await expect(RestTestBed.open({ SERVICES_URLS })).rejects.toThrow('SERVICES_URLS must be');
  });
});
