/** The name of the shard of a time: its half-year in UTC, for example `2026h2`. Names have the order of time. */
export function shardOf(time: Date): string {
  return `${time.getUTCFullYear()}h${time.getUTCMonth() < 6 ? 1 : 2}`;
}
