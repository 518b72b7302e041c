import { jest } from '@jest/globals';
import { TOPICS } from '@countersign/contracts';
import { MemoryBroker } from '@countersign/messaging';
import { Host } from './host.js';
import { BusSettings } from './settings.js';

const NEEDS = {
  name: 'spec',
  bus: { consumes: {}, follows: [], writes: [TOPICS.facts], replies: 'none' },
} as const;
const settings = Object.assign(new BusSettings(), { LOG_LEVEL: 'silent', OPS_PORT: 0 });
const fatal = (error: Error): never => {
  throw error;
};

describe('the start of a service', () => {
  let closed: string[];
  beforeEach(() => {
    closed = [];
  });

  it('closes what was opened, the last first, and frees its port, when any later step fails', async () => {
    let url = '';
    const starting = Host.start(NEEDS, settings, fatal, { broker: new MemoryBroker() }, async (host) => {
      host.onClose(() => Promise.resolve(void closed.push('first')));
      host.onClose(() => Promise.resolve(void closed.push('second')));
      const started = await host.started();
      url = started.urls['ops'] ?? '';
      expect((await fetch(`${url}/health/live`)).status).toBe(200);
      throw new Error('a later step failed');
    });
    await expect(starting).rejects.toThrow('a later step failed');
    expect(closed).toEqual(['second', 'first']);
    await expect(fetch(`${url}/health/live`)).rejects.toThrow();
  });

  it('reports the failed step even if a step of the stop fails too', async () => {
    const starting = Host.start(NEEDS, settings, fatal, { broker: new MemoryBroker(), ops: false }, (host) => {
      host.onClose(() => Promise.resolve(void closed.push('first')));
      host.onClose(() => Promise.reject(new Error('the stop failed')));
      return Promise.reject(new Error('a later step failed'));
    });
    await expect(starting).rejects.toThrow('a later step failed');
    expect(closed).toEqual(['first']);
  });

  it('leaves everything open when no step fails', async () => {
    const service = await Host.start(NEEDS, settings, fatal, { broker: new MemoryBroker(), ops: false }, (host) => {
      host.onClose(() => Promise.resolve(void closed.push('first')));
      return host.started();
    });
    expect(closed).toEqual([]);
    await service.close();
    expect(closed).toEqual(['first']);
  });
});

it('removes the ids of commands every hour, with the retention of the settings', async () => {
  jest.useFakeTimers();
  try {
    const purged: unknown[] = [];
    const query = (sql: string, params: readonly unknown[] = []): Promise<never[]> => {
      if (sql.startsWith('DELETE FROM spec.inbox')) purged.push(params[0]);
      return Promise.resolve([]);
    };
    const database = { schema: 'spec', transaction: (work: (tx: never) => never) => work({ query } as never) };
    const replace = { broker: new MemoryBroker(), ops: false } as const;
    const service = await Host.start(NEEDS, settings, fatal, replace, (host) => {
      host.purgeInbox(database, { INBOX_DAYS: 9 });
      return host.started();
    });
    await jest.advanceTimersByTimeAsync(2 * 3_600_000);
    await service.close();
    expect(purged).toEqual([9 * 86_400, 9 * 86_400]);
  } finally {
    jest.useRealTimers();
  }
});
