import { MAX_PAGE_BYTES, pageOf } from './directory-resources.decision.js';

/** An item with so many bytes of JSON, with characters of two bytes. */
function itemOf(agent: string, bytes: number): { agent: string; text: string } {
  const item = { agent, text: '' };
  const rest = bytes - JSON.stringify(item).length;
  return { agent, text: 'é'.repeat(Math.floor(rest / 2)) + 'x'.repeat(rest % 2) };
}

describe('a page of a list', () => {
  it('ends before its limit when its items would have too many bytes, with the cursor of the next page', () => {
    const found = ['a', 'b', 'c'].map((agent) => itemOf(agent, MAX_PAGE_BYTES / 2));
    expect(pageOf(found, 3, 'agent')).toEqual({ items: found.slice(0, 2), nextCursor: 'b' });
    expect(pageOf(found.slice(0, 2), 2, 'agent')).toEqual({ items: found.slice(0, 2), nextCursor: null });
  });

  it('has one item at least, also when that item alone has too many bytes', () => {
    const found = [itemOf('a', MAX_PAGE_BYTES + 1), itemOf('b', 100)];
    expect(pageOf(found, 200, 'agent')).toEqual({ items: found.slice(0, 1), nextCursor: 'a' });
    expect(pageOf(found.slice(1), 200, 'agent')).toEqual({ items: found.slice(1), nextCursor: null });
  });
});
