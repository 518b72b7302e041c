import { useEffect, useState } from 'react';
import { texts } from '../texts/texts.js';

const format = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

/** A time in the zone of the operator, which it names. */
export function Time({ at }: { readonly at: string }) {
  return <time dateTime={at}>{format.format(new Date(at))}</time>;
}

/** The time until `until`, counted down each second. */
export function Countdown({ until }: { readonly until: string }) {
  const now = useNow(1_000);
  return <time dateTime={until}>{durationText(Date.parse(until) - now)}</time>;
}

/** The current time, updated each `periodMs`. */
export function useNow(periodMs: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), periodMs);
    return () => clearInterval(timer);
  }, [periodMs]);
  return now;
}

/** The two largest units of a duration, such as `3 min 20 s`. */
export function durationText(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1_000);
  const { days, hours, minutes, seconds: inSeconds, ended } = texts.relative;
  if (seconds <= 0) return ended;
  if (seconds < 60) return inSeconds(seconds);
  if (seconds < 3_600) return `${minutes(Math.floor(seconds / 60))} ${inSeconds(seconds % 60)}`;
  if (seconds < 86_400) return `${hours(Math.floor(seconds / 3_600))} ${minutes(Math.floor((seconds % 3_600) / 60))}`;
  return `${days(Math.floor(seconds / 86_400))} ${hours(Math.floor((seconds % 86_400) / 3_600))}`;
}
