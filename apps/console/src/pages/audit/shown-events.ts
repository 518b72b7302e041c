import { type ConsoleEvent } from '../../api/event-view.js';

/** The kind of the event that each read of events is, also those of this page. */
const READ = 'audit.read';

/** The most that the API has in one page. */
const LARGEST_PAGE = 200;
/** Each read of a page is an event itself, so one view reads no more. */
const MOST_PAGES = 5;

interface EventPage {
  readonly items: readonly ConsoleEvent[];
  readonly nextCursor: string | null;
}

/** Reads one page of the API. */
type ReadPage = (limit: number, cursor: string | undefined) => Promise<EventPage | undefined>;

/**
 * A page without the reads of events. The API excludes no kind, so the page continues until it has `size` events, there are no more,
 * or it has read 1,000 events. What follows is read with its `nextCursor`.
 */
export async function pageWithoutReads(read: ReadPage, size: number, from: string | undefined): Promise<EventPage> {
  const items: ConsoleEvent[] = [];
  let cursor = from;
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const page = await read(LARGEST_PAGE, cursor);
    if (page === undefined) break;
    items.push(...page.items.filter(({ type }) => type !== READ));
    if (page.nextCursor === null || items.length >= size) return { items, nextCursor: page.nextCursor };
    cursor = page.nextCursor;
  }
  return { items, nextCursor: cursor ?? null };
}
