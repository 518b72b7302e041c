import { describe, expect, it } from '@jest/globals';
import { type ConsoleEvent } from '../../apps/console/src/api/event-view.js';
import { pageWithoutReads } from '../../apps/console/src/pages/audit/shown-events.js';

/** A log of these kinds, read as the API reads it. */
function logOf(...kinds: readonly string[]) {
  const reads: (string | undefined)[] = [];
  const read = (limit: number, cursor: string | undefined) => {
    reads.push(cursor);
    const start = Number(cursor ?? 0);
    const items = kinds.slice(start, start + limit).map((type, index) => ({ type, index: start + index }));
    const nextCursor = start + limit < kinds.length ? String(start + limit) : null;
    return Promise.resolve({ items: items as unknown as ConsoleEvent[], nextCursor });
  };
  return { reads, read };
}

const times = (count: number, kind: string): string[] => Array<string>(count).fill(kind);

describe('a page of events without the reads of events', () => {
  it('continues until it has enough events, and the next page begins behind the last event that was read', async () => {
    const { read, reads } = logOf(...times(250, 'audit.read'), ...times(350, 'attempt.decided'));
    const first = await pageWithoutReads(read, 50, undefined);
    expect([first.items.length, first.nextCursor, reads]).toEqual([150, '400', [undefined, '200']]);
    const next = await pageWithoutReads(read, 50, '400');
    expect([next.items[0]?.index, next.items.length, next.nextCursor]).toEqual([400, 200, null]);
  });

  it('ends after 1,000 reads of events, and a further page continues there', async () => {
    const { read, reads } = logOf(...times(1_100, 'audit.read'), 'attempt.decided');
    const first = await pageWithoutReads(read, 50, undefined);
    expect([first.items, first.nextCursor, reads.length]).toEqual([[], '1000', 5]);
    const next = await pageWithoutReads(read, 50, '1000');
    expect([next.items.map(({ type }) => type), next.nextCursor]).toEqual([['attempt.decided'], null]);
  });
});
