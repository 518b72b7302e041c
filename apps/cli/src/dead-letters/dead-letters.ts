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

/** Why a record cannot be sent again. */
const REFUSALS: Readonly<Record<Exclude<Replayability, 'replayable'>, string>> = {
  gone: 'its record is gone: retention removed it',
  changed: 'another record has its offset: the topic was created again',
  expired:
    'its deadline has passed, so it would be dropped; the requester got "unavailable" and can repeat the request',
};

/** Headers with values that the product sets, without input of a caller. */
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

/** Prints one dead letter and whether its record still exists. Never prints the record's value. */
export async function showDeadLetter(broker: Broker, id: string, write: Write): Promise<void> {
  const box = new DeadLetters(broker);
  const letter = await find(box, id);
  const record = await box.record(letter);
  const replayability = box.replayability(letter, record);
  const fields = Object.entries(letter).map(([name, value]) => [name, String(value)]);
  const headers = Object.entries(record?.headers ?? {}).map(([name, value]) => [
    ...['header', SHOWN.includes(name) ? `${name}: ${value}` : name],
  ]);
  const replay = replayability === 'replayable' ? 'possible' : `not possible: ${REFUSALS[replayability]}`;
  const state = record === undefined ? 'gone' : replayability === 'changed' ? 'replaced by another' : 'exists';
  write(table([], [...fields, ['record', state], ['replay', replay], ...(replayability === 'changed' ? [] : headers)]));
}

/** @throws ServiceError if the dead letter with the given id cannot be replayed */
export async function replayDeadLetters(
  broker: Broker,
  id: string | undefined,
  options: ReplayOptions,
  write: Write,
): Promise<void> {
  if ((id === undefined) === (options.all === undefined)) throw refused('name one dead letter by its id, or use --all');
  const box = new DeadLetters(broker);
  const letters = id === undefined ? await box.list(filterOf(options)) : [await find(box, id)];
  let replayed = 0;
  for (const letter of letters) {
    const record = await box.record(letter);
    const replayability = box.replayability(letter, record);
    const place = `${letter.letterId} (${placeOf(letter)})`;
    if (replayability !== 'replayable' || record === undefined) {
      const why = REFUSALS[replayability === 'replayable' ? 'gone' : replayability];
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
  throw refused('there is no dead letter with this id: see "dead-letters list"');
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
