import { type Database } from '@countersign/persistence';

const moved = (at: string): string => `${at} - make_interval(secs => $1)`;
const allMoved = (times: string): string => `ARRAY(SELECT ${moved('at')} FROM unnest(${times}) at)`;
const stateMoved = `after = ROW(${allMoved('(after).recognized_attempts')}, (after).lock_level, ${moved('(after).locked_until')},
    ${allMoved('(after).unrecognized_attempts')}, (after).unrecognized_lock_level,
    ${moved('(after).unrecognized_locked_until')}, (after).failures, (after).unrecognized_failures, (after).disabled)::verification.guard_state`;

/**
 * For tests: the past of every guard moves away instead of the clock moving on, on record too, so that nothing was altered.
 * To the statements of the gate it is the same.
 */
export async function ageGuards(database: Database, seconds: number): Promise<void> {
  for (const change of [
    `guards SET touched_at = ${moved('touched_at')},
       locked_until = ${moved('locked_until')}, recognized_attempts = ${allMoved('recognized_attempts')},
       unrecognized_locked_until = ${moved('unrecognized_locked_until')},
       unrecognized_attempts = ${allMoved('unrecognized_attempts')}`,
    `attempts SET spent_at = ${moved('spent_at')}, ${stateMoved}`,
    `eased SET ${stateMoved}`,
  ])
    await database.query(`UPDATE verification.${change}`, [seconds]);
}
