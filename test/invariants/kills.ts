import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@countersign/testing';
import { SERVICES, type ServiceName } from '../product.js';
import { type Cell } from './measure.js';
import { type Stand } from './stand.js';

const MOST_HITS = 3;
/** After it is ready, a copy needs so long to pass everything that it does in service, in milliseconds. */
const LISTING_MS = 8_000;
const DEATH_LIMIT_MS = 25_000;
const WITH_PRELOAD = { NODE_OPTIONS: `--import ${new URL('kill-points.mjs', import.meta.url).href}` };

/** One way for a process to die. */
export interface Kill {
  readonly service: ServiceName;
  readonly point: string;
  readonly when: 'before' | 'after';
  /** The process dies when it passes the point for this time, counted from 1. */
  readonly hit: number;
}

/** Runs a copy of every service under load and learns which points it passes, and how often. */
export async function findKills(cell: Cell): Promise<Kill[]> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-points-'));
  try {
    const all: Kill[] = [];
    for (const service of SERVICES) all.push(...(await killsOf(cell, service, join(folder, service))));
    return all;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function killsOf(cell: Cell, service: ServiceName, file: string): Promise<Kill[]> {
  const { product } = cell.stand;
  const copy = await product.add(service, { ...WITH_PRELOAD, KILL_LIST: file });
  await new Promise((resolve) => setTimeout(resolve, LISTING_MS));
  await product.retire(copy);
  const passed = new Map<string, number>();
  for (const point of (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '')) {
    passed.set(point, (passed.get(point) ?? 0) + 1);
  }
  cell.note(`${service}: ${passed.size} points: ${[...passed.keys()].join(', ')}`);
  return [...passed].flatMap(([point, times]) =>
    Array.from({ length: Math.min(times, MOST_HITS) }, (_, at) => at + 1).flatMap((hit) =>
      (['before', 'after'] as const).map((when) => ({ service, point, when, hit })),
    ),
  );
}

/** Starts a copy that dies as it is told, beside one that lives. @returns whether it came so far */
export async function dieAt(stand: Stand, { service, point, when, hit }: Kill): Promise<boolean> {
  const copy = stand.product.begin(service, { ...WITH_PRELOAD, KILL_AT: `${when}:${hit}:${point}` });
  const died = await eventually('it dies', () => !copy.program.running, DEATH_LIMIT_MS).catch(() => false);
  const { code } = died ? await copy.program.ended : await stand.product.retire(copy);
  if (died && code !== null) {
    throw new Error(
      `${service} ended with code ${code} instead of ${when} ${point}:\n${copy.program.output.slice(-2000)}`,
    );
  }
  return died;
}
