import { type Command } from 'commander';
import { type Environment, ServiceError } from '@countersign/runtime';
import { type Write } from '../terminal/terminal.js';
import { exportEvents, type EventExportOptions } from './export-events.js';
import { searchEvents, type SearchOptions } from './search-events.js';
import { tailEvents, type TailOptions } from './tail-events.js';

const CODES = 'exit code 0: complete, 1: refused, with what to correct, 2: interrupted, run it again';

/** Adds the commands about events, for whoever reads the audit log. */
export function addEventCommands(program: Command, env: Environment, write: Write): void {
  const events = program
    .command('events')
    .description(
      `read the audit log through the audit service or the REST adapter, with a key of scope audit; ${CODES}`,
    );
  const note: Write = (text) => void process.stderr.write(`${text}\n`);

  filtered(events.command('tail'))
    .description('print events as they are recorded; continues after an interruption without a gap')
    .option('--after <index>', 'begin after this event; default: now')
    .option('--json', 'one JSON object a line')
    .action((options: TailOptions) => withExitCode((signal) => tailEvents(env, options, write, note, signal)));
  withTimes(filtered(events.command('search')))
    .description('print events that match, the newest first')
    .option('--order <order>', 'desc: the newest first, asc: the oldest first; default: desc')
    .option('--limit <count>', 'most events; default: 50')
    .option('--all', 'all events that match')
    .option('--cursor <index>', 'only events after this one in the order')
    .option('--json', 'one JSON object a line')
    .action((options: SearchOptions) => withExitCode(() => searchEvents(env, options, write, note)));
  withTimes(filtered(events.command('export [file]')))
    .description('export events, the oldest first, to a file or to standard output')
    .option('--format <format>', 'ndjson, csv or ndjson.gz; default: by the name of the file, else ndjson')
    .option('--cursor <index>', 'only events after this one')
    .option('--restart', 'begin again instead of continuing an interrupted export')
    .action((file: string | undefined, options: EventExportOptions) =>
      withExitCode((signal) => exportEvents(env, file, options, note, signal)),
    );
}

function filtered(command: Command): Command {
  return command
    .option('--url <url>', 'address; default: COUNTERSIGN_AUDIT_URL, else http://localhost:3002')
    .option('--key-file <file>', 'file of an API key with the scope audit; default: COUNTERSIGN_API_KEY_FILE')
    .option('--tenant <tenant>', 'only events of this tenant; _installation: of the installation')
    .option('--subject <subject>', 'only events of this subject')
    .option('--call <call>', 'only events of this telephone call')
    .option('--type <type>', 'only events of this kind, such as attempt.decided');
}

function withTimes(command: Command): Command {
  return command
    .option('--from <time>', 'only events at this time or later, such as 2026-11-27T10:00:00Z')
    .option('--to <time>', 'only events before this time');
}

/** Runs a command until it ends, or SIGINT or SIGTERM stop it. */
async function withExitCode(command: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  // The process that reads the output has ended, for example `head`.
  process.stdout.once('error', () => process.exit());
  try {
    await command(stopping.signal);
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.retriable ? 2 : 1;
  }
}
