import { type Database } from '@countersign/persistence';

const moved = (at: string): string => `${at} - make_interval(secs => $1)`;
const allMoved = (times: string): string => `ARRAY(SELECT ${moved('at')} FROM unnest(${times}) at)`;
const stateMoved = `state_after = ROW(${allMoved('(state_after).recognized_attempts')}, (state_after).lock_level, ${moved('(state_after).locked_until')},
    ${allMoved('(state_after).unrecognized_attempts')}, (state_after).unrecognized_lock_level,
    ${moved('(state_after).unrecognized_locked_until')}, (state_after).failures, (state_after).unrecognized_failures, (state_after).disabled)::verification.counter_state`;

/**
 * For tests: moves all times of counters, ledger and adjustments into the past, instead of the clock forward. The statements
 * of the attempt gate see the same distances, and counter and ledger still agree.
 */
export async function ageCounters(database: Database, seconds: number): Promise<void> {
  for (const change of [
    `attempt_counters SET last_attempt_at = ${moved('last_attempt_at')},
       locked_until = ${moved('locked_until')}, recognized_attempts = ${allMoved('recognized_attempts')},
       unrecognized_locked_until = ${moved('unrecognized_locked_until')},
       unrecognized_attempts = ${allMoved('unrecognized_attempts')}`,
    `attempts SET counted_at = ${moved('counted_at')}, ${stateMoved}`,
    `counter_adjustments SET ${stateMoved}`,
  ])
    await database.query(`UPDATE verification.${change}`, [seconds]);
}
