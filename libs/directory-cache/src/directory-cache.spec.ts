import {
  AgentPublished,
  AgentRemoved,
  ApiKeyPublished,
  ApiKeyRemoved,
  CHANGE_HEADER,
  DirectoryCacheReported,
  message,
  TenantPublished,
  TOPICS,
  type Message,
  type Policy,
} from '@countersign/contracts';
import { sha256 } from '@countersign/crypto';
import { decode, MemoryBroker, toRecord } from '@countersign/messaging';
import { eventually } from '@countersign/testing';
import { DirectoryCache } from './directory-cache.js';

const REPORTS = new Map([[DirectoryCacheReported.type, DirectoryCacheReported]]);

const limit = { limit: 10, periodSeconds: 60 };
const POLICY: Policy = {
  attempts: { perWindow: 3, windowSeconds: 900, lockSeconds: 900, maxLockSeconds: 86_400 },
  limits: { caller: limit, call: limit, subject: limit, agent: limit, tenant: limit, subjectsPerCaller: limit },
  functions: ['verify_pin'],
  unlocksFunctions: { identified: [], verified: [] },
  knowledge: { questions: [] },
  transfers: {},
  verifiedSeconds: 900,
  endVerificationOnChange: true,
  trustsCallsOf: [],
  greetByName: true,
  tellAttemptsLeft: false,
  discloseUnknownCaller: false,
  texts: {},
  defaultCountry: null,
};

async function open() {
  const broker = new MemoryBroker();
  await broker.ensureTopics([TOPICS.directory, TOPICS.directoryCaches]);
  const reports: DirectoryCacheReported[] = [];
  const fatal = (error: Error): never => {
    throw error;
  };
  await broker.follow(
    TOPICS.directoryCaches.name,
    (record) => reports.push(decode(record, REPORTS) as DirectoryCacheReported),
    fatal,
  );
  const publish = (name: string, change?: string): Promise<void> =>
    broker.send([
      toRecord({
        message: message(TenantPublished, { tenant: 'acme', name, policy: POLICY }),
        headers: change === undefined ? {} : { [CHANGE_HEADER]: change },
      }),
    ]);
  const follow = (): Promise<DirectoryCache> => DirectoryCache.follow(broker, 'swaig-adapter', fatal);
  return { broker, reports, publish, follow };
}

describe('a cache of the directory', () => {
  it('reports its start, each change after it has applied it, and its end', async () => {
    const { reports, publish, follow } = await open();
    const cache = await follow();
    expect(reports).toMatchObject([{ service: 'swaig-adapter', isOpen: true, changes: [] }]);
    await publish('Acme', 'change-1');
    await eventually('a report', () => reports.length === 2);
    expect(cache.tenant('acme')?.name).toBe('Acme');
    await publish('No change id');
    await publish('Acme Ltd', 'change-2');
    await eventually('a report', () => reports.length === 3);
    await cache.close();
    await eventually('the last report', () => reports.length === 4);
    expect(reports.slice(1)).toMatchObject([
      { isOpen: true, changes: ['change-1'] },
      { isOpen: true, changes: ['change-2'] },
      { isOpen: false, changes: [] },
    ]);
    expect(new Set(reports.map(({ cacheId }) => cacheId)).size).toBe(1);
  });

  it('reports the changes that were on the topic before its start, once it has read all of them', async () => {
    const { reports, publish, follow } = await open();
    await publish('Acme', 'change-1');
    await publish('Acme Ltd', 'change-2');
    await follow();
    await eventually('a report', () => reports.length === 2);
    expect(reports.map(({ changes }) => changes)).toEqual([[], ['change-1', 'change-2']]);
  });
});

describe('the API keys in a cache', () => {
  const keyOf = (keyId: string, more: Partial<ApiKeyPublished> = {}): ApiKeyPublished =>
    message(ApiKeyPublished, {
      ...{ tenant: 'acme', keyId, scopes: ['manage'], hashes: [{ hash: sha256(`text of ${keyId}`) }] },
      ...more,
    });
  const opened = async (...entries: Message[]) => {
    const { broker, follow } = await open();
    const publish = (...more: Message[]): Promise<void> =>
      broker.send(more.map((entry) => toRecord({ message: entry })));
    await publish(...entries);
    return { cache: await follow(), publish };
  };

  it('are found by each text until its end', async () => {
    const hashes = [{ hash: sha256('new') }, { hash: sha256('old'), validUntil: '2026-01-01T00:00:00.000Z' }];
    const { cache } = await opened(keyOf('key-1', { hashes, expiresAt: '2026-02-01T00:00:00.000Z' }));
    const found = (text: string, time: string): boolean => cache.clientByKey(text, Date.parse(time)) !== undefined;
    expect([found('new', '2025-12-31T23:59:59.999Z'), found('old', '2025-12-31T23:59:59.999Z')]).toEqual([true, true]);
    expect([found('new', '2026-01-31T23:59:59.999Z'), found('old', '2026-01-01T00:00:00.000Z')]).toEqual([true, false]);
    expect([found('new', '2026-02-01T00:00:00.000Z'), found('other', '2025-12-31T00:00:00.000Z')]).toEqual([
      false,
      false,
    ]);
  });

  it('are unknown once they were removed, and their old texts once they were rotated', async () => {
    const { cache, publish } = await opened(keyOf('key-1'), keyOf('key-2'));
    const found = (): (string | undefined)[] =>
      ['text of key-1', 'text of key-2', 'rotated'].map((text) => {
        const client = cache.clientByKey(text, 0);
        return client instanceof ApiKeyPublished ? client.keyId : undefined;
      });
    expect(found()).toEqual(['key-1', 'key-2', undefined]);
    await publish(
      keyOf('key-1', { hashes: [{ hash: sha256('rotated') }] }),
      message(ApiKeyRemoved, { keyId: 'key-2' }),
    );
    await eventually('the change', () => found()[1] === undefined);
    expect(found()).toEqual([undefined, undefined, 'key-1']);
  });

  it('exist beside the API keys of agents', async () => {
    const agent = message(AgentPublished, {
      ...{ tenant: 'acme', agent: 'desk', name: 'Desk', passwords: [], apiKeys: [{ hash: sha256('of the agent') }] },
      policy: POLICY,
    });
    const { cache, publish } = await opened(agent, keyOf('key-1'));
    expect(cache.clientByKey('of the agent', 0)).toBeInstanceOf(AgentPublished);
    await publish(message(AgentRemoved, { agent: 'desk' }));
    await eventually('the removal', () => cache.agent('desk') === undefined);
    expect(cache.clientByKey('of the agent', 0)).toBeUndefined();
    expect(cache.clientByKey('text of key-1', 0)).toBeInstanceOf(ApiKeyPublished);
  });
});
