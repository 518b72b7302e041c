import { type Environment } from '@countersign/runtime';
import { refusedSetting, type Write } from '../terminal/terminal.js';
import { eventLine } from './event-line.js';
import { EventsApi, Retries, type AnsweredPage, type EventOptions } from './events-api.js';

export interface SearchOptions extends EventOptions {
  readonly order?: string;
  readonly cursor?: string;
  readonly limit?: string;
  readonly all?: true;
  readonly json?: true;
}

/** Largest page of the API. */
const MAX_PAGE_SIZE = 200;
const DEFAULT_LIMIT = 50;

/**
 * `countersign events search`: prints the events that match, page by page.
 * @param note writes messages that are no events, to standard error
 * @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE with what to do
 */
export async function searchEvents(env: Environment, options: SearchOptions, write: Write, note: Write): Promise<void> {
  const { order = 'desc', limit = String(DEFAULT_LIMIT), all = false } = options;
  if (!/^[1-9]\d{0,8}$/.test(limit)) throw refusedSetting('--limit must be a whole number of at least 1');
  const api = new EventsApi(env, options);
  const most = all ? Infinity : Number(limit);
  let count = 0;
  let { cursor } = options;
  while (count < most) {
    const size = Math.min(MAX_PAGE_SIZE, most - count);
    const query = { order, limit: String(size), ...(cursor !== undefined && { cursor }) };
    const { items, nextCursor } = await pageOf(api, query);
    for (const item of items) write(options.json ? JSON.stringify(item) : eventLine(item));
    count += items.length;
    cursor = nextCursor ?? undefined;
    // In ascending order every page has a cursor, for later events. A page that is not full ends the search.
    if (cursor === undefined || items.length < size) break;
  }
  if (count === 0) note('no event matches');
  else if (count >= most && cursor !== undefined)
    note(`${count} events. For those after them, add --cursor ${cursor}, or --all for all`);
}

async function pageOf(api: EventsApi, query: Readonly<Record<string, string>>): Promise<AnsweredPage> {
  for (const retries = new Retries(); ;) {
    try {
      return await api.page(query);
    } catch (error) {
      await retries.wait(error, { most: 3 });
    }
  }
}
