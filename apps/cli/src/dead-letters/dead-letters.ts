import { type DeadLettered } from '@countersign/contracts';
import { type Broker, DeadLetters, HEADERS, type DeadLetterFilter, type Replayability } from '@countersign/messaging';
import { ServiceError } from '@countersign/runtime';
import { table, type Write } from '../terminal/terminal.js';

export interface ListOptions {
  readonly json?: true;
  /** ISO 8601. */
  readonly since?: string;
}

export interface ReplayOptions {
  readonly all?: true;
  readonly group?: string;
  readonly code?: string;
  readonly since?: string;
  readonly dryRun?: true;
}

/** Why a record is not sent again, and what to do instead. */
const REFUSALS: Readonly<Record<Exclude<Replayability, 'replayable'>, string>> = {
  gone: 'its record is gone: retention has removed it, so nothing can be sent again',
  changed: 'another record lies in its place: the topic was made anew since',
  expired: 'its deadline has passed, so it would be dropped: its asker was told "unavailable" and may ask again',
};

/** Headers whose values the product makes itself, from no input of a caller. */
const SHOWN: readonly string[] = [HEADERS.type, HEADERS.id, HEADERS.deadline];

export async function listDeadLetters(broker: Broker, options: ListOptions, write: Write): Promise<void> {
  const letters = await new DeadLetters(broker).list(filterOf(options));
  if (options.json) return write(JSON.stringify(letters, undefined, 2));
  if (letters.length === 0) return write('no dead letters');
  const rows = letters.map((letter) => [
    ...[letter.letterId, letter.time, letter.group, placeOf(letter), letter.recordType ?? '-', letter.code],
  ]);
  write(table(['id', 'time', 'group', 'record', 'type', 'code'], rows));
}

/** Everything about one letter, and whether its record is still there; never the record's value. */
export async function showDeadLetter(broker: Broker, id: string, write: Write): Promise<void> {
  const box = new DeadLetters(broker);
  const letter = await find(box, id);
  const record = await box.record(letter);
  const verdict = box.replayability(letter, record);
  const fields = Object.entries(letter).map(([name, value]) => [name, String(value)]);
  const headers = Object.entries(record?.headers ?? {}).map(([name, value]) => [
    ...['header', SHOWN.includes(name) ? `${name}: ${value}` : name],
  ]);
  const replay = verdict === 'replayable' ? 'possible' : `not possible: ${REFUSALS[verdict]}`;
  const state = record === undefined ? 'gone' : verdict === 'changed' ? 'replaced by another' : 'there';
  write(table([], [...fields, ['record', state], ['replay', replay], ...(verdict === 'changed' ? [] : headers)]));
}

/** @throws ServiceError when the one letter asked for cannot be replayed */
export async function replayDeadLetters(
  broker: Broker,
  id: string | undefined,
  options: ReplayOptions,
  write: Write,
): Promise<void> {
  if ((id === undefined) === (options.all === undefined)) throw refused('name one dead letter by its id, or say --all');
  const box = new DeadLetters(broker);
  const letters = id === undefined ? await box.list(filterOf(options)) : [await find(box, id)];
  let replayed = 0;
  for (const letter of letters) {
    const record = await box.record(letter);
    const verdict = box.replayability(letter, record);
    const place = `${letter.letterId} (${placeOf(letter)})`;
    if (verdict !== 'replayable' || record === undefined) {
      const why = REFUSALS[verdict === 'replayable' ? 'gone' : verdict];
      if (id !== undefined) throw refused(`${place} is not replayed: ${why}`);
      write(`skipped ${place}: ${why}`);
      continue;
    }
    if (options.dryRun === undefined) await box.replay(letter, record);
    replayed++;
    write(`${options.dryRun ? 'would replay' : 'replayed'} ${place}`);
  }
  write(`${replayed} of ${letters.length} ${options.dryRun ? 'would be replayed' : 'replayed'}`);
}

async function find(box: DeadLetters, id: string): Promise<DeadLettered> {
  const letter = (await box.list()).find(({ letterId }) => letterId === id);
  if (letter !== undefined) return letter;
  throw refused('there is no dead letter with this id: "dead-letters list" shows those that there are');
}

function filterOf({ group, code, since }: Pick<ReplayOptions, 'group' | 'code' | 'since'>): DeadLetterFilter {
  const from = since === undefined ? undefined : Date.parse(since);
  if (Number.isNaN(from)) throw refused('--since must be a time such as 2026-11-22T10:00:00Z');
  return {
    ...(group === undefined ? {} : { group }),
    ...(code === undefined ? {} : { code }),
    ...(from === undefined ? {} : { since: from }),
  };
}

const placeOf = (letter: DeadLettered): string => `${letter.recordTopic}/${letter.partition}@${letter.offset}`;

const refused = (what: string): ServiceError => new ServiceError('INTERNAL', what, false);
