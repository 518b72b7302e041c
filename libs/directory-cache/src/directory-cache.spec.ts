import {
  CHANGE_HEADER,
  DirectoryCacheReported,
  message,
  TenantPublished,
  TOPICS,
  type Policy,
} from '@countersign/contracts';
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
