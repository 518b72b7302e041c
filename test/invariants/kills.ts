import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@countersign/testing';
import { type ServiceName } from '../product.js';
import { type Cell } from './measure.js';
import { type FaultRig } from './rig.js';

const MOST_HITS = 3;
/** Time after its start in which a copy reaches every point of normal service, in milliseconds. */
const LISTING_MS = 8_000;
const DEATH_LIMIT_MS = 40_000;
const WITH_PRELOAD = { NODE_OPTIONS: `--import ${new URL('kill-points.mjs', import.meta.url).href}` };

/** One way for a process to die. */
export interface Kill {
  readonly service: ServiceName;
  readonly point: string;
  readonly when: 'before' | 'after';
  /** The process dies when it reaches the point for the nth time, counted from 1. */
  readonly hit: number;
  /** The point is reached only during a stop. */
  readonly stopping?: boolean;
}

/** Runs a copy of a service under load, and finds the points that it reaches, and how often. */
export async function findKills(cell: Cell, service: ServiceName): Promise<Kill[]> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-points-'));
  const file = join(folder, service);
  const { product } = cell.rig;
  const copy = await product.addCopy(service, { ...WITH_PRELOAD, KILL_LIST: file });
  await new Promise((resolve) => setTimeout(resolve, LISTING_MS));
  const inService = counts(await readFile(file, 'utf8'));
  await product.stopCopy(copy);
  const passed = counts(await readFile(file, 'utf8').finally(() => rm(folder, { recursive: true, force: true })));
  const kills = [...passed].flatMap(([point, times]) =>
    Array.from({ length: Math.min(times, MOST_HITS) }, (_, at) => at + 1).flatMap((hit) =>
      (['before', 'after'] as const).map((when) => {
        return { service, point, when, hit, stopping: hit > (inService.get(point) ?? 0) };
      }),
    ),
  );
  cell.note(`${passed.size} points, ${kills.length} ways to die: ${[...passed.keys()].join(', ')}`);
  return kills;
}

/** How often each point occurs in a list. */
function counts(list: string): Map<string, number> {
  const passed = new Map<string, number>();
  for (const point of list.split('\n').filter((line) => line !== '')) {
    passed.set(point, (passed.get(point) ?? 0) + 1);
  }
  return passed;
}

/** Starts an additional copy that dies at the given point. @returns whether it reached the point */
export async function dieAt(
  { product }: Pick<FaultRig, 'product'>,
  { service, point, when, hit, stopping }: Kill,
): Promise<boolean> {
  const copy = product.startCopy(service, { ...WITH_PRELOAD, KILL_AT: `${when}:${hit}:${point}` });
  const { program } = copy;
  const ready = (): boolean => Object.keys(copy.urls).length > 0;
  const over = (): boolean => !program.running || (stopping === true && ready());
  await eventually('it dies', over, DEATH_LIMIT_MS).catch(() => undefined);
  const { code, signal } = await product.stopCopy(copy);
  if (signal === 'SIGKILL') return true;
  if (code === 0) return false;
  throw new Error(`${service} ended with code ${code} and not ${when} ${point}:\n${program.output.slice(-2000)}`);
}
