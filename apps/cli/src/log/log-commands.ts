import { type Command } from 'commander';
import { type Environment, ServiceError } from '@countersign/runtime';
import { type Write } from '../terminal/terminal.js';
import { EXIT_CODES } from './damage.js';
import { type LogOptions, type LogVerifyOptions } from './log-verify.js';

// An action imports its command when it runs, so that other commands start without it.
const verification = () => import('./log-verify.js');
const witness = () => import('./log-witness.js');

const CODES = 'exit code 0: intact, 1: tampered, 2: incomplete evidence, 3: wrong usage';

/** Adds the commands about the audit log, for whoever verifies it from outside. */
export function addLogCommands(program: Command, env: Environment, write: Write): void {
  const log = program.command('log').description(`verify the audit log from outside, with its public key; ${CODES}`);
  const url = ['--url <url>', 'address of the audit service; default: COUNTERSIGN_AUDIT_URL'] as const;
  const logKey = [
    '--log-key <key>',
    'public key of the log, or a file of keys, the oldest first; default: COUNTERSIGN_LOG_KEY',
  ] as const;
  const keyFile = [
    '--key-file <file>',
    'file of an API key with the scope audit; default: COUNTERSIGN_API_KEY_FILE',
  ] as const;

  withUsageCode(log.command('verify [event-file]'))
    .description('verify checkpoints, tiles and entries, or a receipt; names the first damaged index and what happened')
    .option(...url)
    .option('--folder <folder>', 'files of the log: checkpoint, tile/<L>/<N>, tile/entries/<N>')
    .option(...logKey)
    .option(...keyFile)
    .option('--checkpoints <files...>', 'checkpoints that were kept outside, as log checkpoints keeps them')
    .option('--state <file>', 'continue where the last verification with this file ended')
    .option('--hashes-only', 'verify the hashes of entries without the entries, which needs no API key')
    .option('--export <file>', 'compare an export in NDJSON with the log: which indexes it lacks, which lines differ')
    .option('--part', 'with --export: the export is a part of the log, so missing indexes are no damage')
    .option('--receipt <file>', 'verify a .tlog-proof file for the event file, without any connection')
    .option('--json', 'as JSON')
    .action((eventFile: string | undefined, options: LogVerifyOptions) =>
      withExitCode(async () => (await verification()).logVerify(env, eventFile, options, write)),
    );
  withUsageCode(log.command('prove <event-id>'))
    .description('write the receipt of an event, a .tlog-proof file that verifies offline, and the bytes of the event')
    .option(...url)
    .option(...logKey)
    .option(...keyFile)
    .option('--out <folder>', 'where the files are written; default: the current folder')
    .option(
      '--event <file>',
      'the exact bytes of the event that you have: they are proven, and not those that the log sends',
    )
    .action((eventId: string, options: LogOptions & { out?: string; event?: string }) =>
      withExitCode(async () => (await witness()).proveEvent(env, eventId, options, write)),
    );
  withUsageCode(log.command('checkpoints <file>'))
    .description('append the checkpoint of the log to a file of your own; refuses a fork and a rollback')
    .option(...url)
    .option(...logKey)
    .action((file: string, options: LogOptions) =>
      withExitCode(async () => (await witness()).keepCheckpoint(env, file, options, write)),
    );
}

/** Wrong options end with the code of wrong usage, not with that of a tampered log. */
function withUsageCode(command: Command): Command {
  return command.exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_CODES.usage));
}

async function withExitCode(command: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await command();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = EXIT_CODES.usage;
  }
}
