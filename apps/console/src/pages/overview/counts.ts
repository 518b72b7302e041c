import { type components } from '../../api/openapi.js';

export type CountsItem = components['schemas']['EventCountsItem'];

const HOUR_MS = 3_600_000;
/** How many full hours the charts show before the current one, and the comparison compares with as many before. */
export const HOURS = 24;

const beginOfHour = (now: number): number => Math.floor(now / HOUR_MS) * HOUR_MS;

/** Begin of the oldest hour of {@link daysOf}, ISO 8601. */
export const beginOfDays = (now: number): string => new Date(beginOfHour(now) - 2 * HOURS * HOUR_MS).toISOString();

/** What happened in one hour, or in several. */
export interface Totals {
  readonly verified: number;
  /** Compared, and wrong. */
  readonly rejected: number;
  /** Not compared: locked, disabled, refused by a limit, or unavailable. */
  readonly refused: number;
  /** Requests that a limit refused. */
  readonly limited: number;
  /** Credentials that were locked or disabled. */
  readonly locked: number;
  readonly signals: number;
}

export interface HourTotals extends Totals {
  /** Begin of the hour, ISO 8601. */
  readonly time: string;
}

const sum = (values: Readonly<Record<string, number>>): number =>
  Object.values(values).reduce((total, value) => total + value, 0);

const NOTHING: Totals = { verified: 0, rejected: 0, refused: 0, limited: 0, locked: 0, signals: 0 };

function totalsOf({ attempts, refusals, signals, locked, disabled }: CountsItem): Totals {
  const { verified = 0, rejected = 0 } = attempts;
  return {
    ...{ verified, rejected, refused: sum(attempts) - verified - rejected },
    ...{ limited: sum(refusals), locked: locked + disabled, signals: sum(signals) },
  };
}

/** Every hour up to the one of `now`, also those without an event, the oldest first. */
export function hoursUntil(now: number, hours: number, items: readonly CountsItem[]): HourTotals[] {
  const counted = new Map(items.map((item) => [Date.parse(item.time), totalsOf(item)]));
  const last = beginOfHour(now);
  return Array.from({ length: hours }, (_, index) => {
    const begin = last - (hours - 1 - index) * HOUR_MS;
    return { time: new Date(begin).toISOString(), ...(counted.get(begin) ?? NOTHING) };
  });
}

/** The current hour, the 24 full hours before it, and the 24 before those. */
export interface Days {
  readonly current: HourTotals;
  readonly last: readonly HourTotals[];
  readonly before: readonly HourTotals[];
}

export function daysOf(now: number, items: readonly CountsItem[]): Days {
  const hours = hoursUntil(now, 2 * HOURS + 1, items);
  const current = hours.at(-1) ?? { time: new Date(beginOfHour(now)).toISOString(), ...NOTHING };
  return { current, last: hours.slice(HOURS, -1), before: hours.slice(0, HOURS) };
}

export function addUp(hours: readonly Totals[]): Totals {
  return hours.reduce<Totals>(
    (total, hour) => ({
      verified: total.verified + hour.verified,
      rejected: total.rejected + hour.rejected,
      refused: total.refused + hour.refused,
      limited: total.limited + hour.limited,
      locked: total.locked + hour.locked,
      signals: total.signals + hour.signals,
    }),
    NOTHING,
  );
}

/** The share of attempts that succeeded, from 0 to 1; undefined without an attempt. */
export function successShare({ verified, rejected, refused }: Totals): number | undefined {
  const attempts = verified + rejected + refused;
  return attempts === 0 ? undefined : verified / attempts;
}
