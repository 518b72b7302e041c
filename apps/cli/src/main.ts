import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { acceptKeyLoss } from './keys/accept-key-loss.js';
import { acceptLoss } from './groups/accept-loss.js';
import { createSecrets } from './keys/create-secrets.js';
import {
  type ListOptions,
  listDeadLetters,
  replayDeadLetters,
  type ReplayOptions,
  showDeadLetter,
} from './dead-letters/dead-letters.js';
import { keyStatus, rewrapAll, rotateKeys, showPublicKeys, useKey } from './keys/keys.js';
import { checkAttempts } from './attempts/check-attempts.js';
import { rekeyAll } from './keys/rekey.js';
import { restoreAttempts } from './attempts/restore-attempts.js';
import { type StoreOptions, withStore } from './terminal/with-store.js';

import { showDemo } from './demo/show-demo.js';
import { simulate, type SimulatedCall } from './demo/simulate-call.js';
import { withBroker } from './terminal/with-broker.js';
import { orComplain, toTerminal } from './terminal/terminal.js';

const program = new Command('countersign')
  .description('Caller identity verification for AI voice agents')
  .version(versionOf(), '--version', 'show the version');

program
  .command('demo')
  .description('show how to try the demo that npm start made, with its password, API key and PIN')
  .option('--data-dir <folder>', 'that of npm start', process.env['DATA_DIR'] || './data')
  .action((options: { dataDir: string }) => orComplain(() => showDemo(options.dataDir, toTerminal)));

program
  .command('secrets')
  .description('keys and secrets of an installation')
  .command('create <folder>')
  .description('make the secrets that the folder lacks, one file for each, for its owner alone; what is there stays')
  .action((folder: string) => orComplain(() => createSecrets(folder)));

const letters = program
  .command('dead-letters')
  .description('records that could not be handled; reads KAFKA_BROKERS and TOPIC_PREFIX as a service does');
letters
  .command('list')
  .description('every dead letter')
  .option('--json', 'as JSON')
  .option('--since <time>', 'from this time on, ISO 8601')
  .action((options: ListOptions) =>
    withBroker(process.env, (broker, write) => listDeadLetters(broker, options, write)),
  );
letters
  .command('show <id>')
  .description('one dead letter, and whether its record is still there')
  .action((id: string) => withBroker(process.env, (broker, write) => showDeadLetter(broker, id, write)));
letters
  .command('replay [id]')
  .description('send the record of a dead letter again; every group of its topic gets it')
  .option('--all', 'all that pass the other options; those that cannot be replayed are listed')
  .option('--group <group>', 'with --all: only what this group gave up')
  .option('--code <code>', 'with --all: only with this error code')
  .option('--since <time>', 'with --all: only from this time on, ISO 8601')
  .option('--dry-run', 'send nothing, say what would be sent')
  .action((id: string | undefined, options: ReplayOptions) =>
    withBroker(process.env, (broker, write) => replayDeadLetters(broker, id, options, write)),
  );

program
  .command('groups')
  .description('consumer groups')
  .command('accept-loss <group>')
  .description('let a group go on that ended with RECORDS_LOST; its service must not run')
  .option('--dry-run', 'change nothing, say what would change')
  .action((group: string, options: { dryRun?: true }) =>
    withBroker(process.env, (broker, write) => acceptLoss(broker, group, options, write)),
  );

const dataDir = [
  '--data-dir <folder>',
  'that of npm start, which must not run meanwhile; instead of DATABASE_URL',
] as const;
const keyFile = ['--file <file>', 'the file of the keyring; default: CREDENTIAL_KEYS_FILE'] as const;
const keys = program
  .command('keys')
  .description(
    'the keys of what is stored; reads DATABASE_URL, CREDENTIAL_KEYS and IDENTIFIER_KEY as verification does',
  );
keys
  .command('status')
  .description('how many rows each key has wrapped')
  .option(...dataDir)
  .action((options: StoreOptions) => withStore(process.env, options, keyStatus));
keys
  .command('rotate')
  .description('add a new key to the file of the keyring, as the one that wraps')
  .option(...keyFile)
  .option('--last', 'add it as one that only opens: for copies that are restarted one after the other')
  .action((options: { file?: string; last?: true }) => orComplain(() => rotateKeys(process.env, options, toTerminal)));
keys
  .command('use <id>')
  .description('make a key of the file the one that wraps')
  .option(...keyFile)
  .action((id: string, options: { file?: string }) => orComplain(() => useKey(process.env, id, options, toTerminal)));
keys
  .command('rewrap')
  .description('wrap every row by the first key; can be stopped and run again, while verifications go on')
  .option(...dataDir)
  .action((options: StoreOptions) => withStore(process.env, options, rewrapAll));

keys
  .command('rekey')
  .description('take the new key of IDENTIFIER_KEY into use; can be stopped and run again, while verifications go on')
  .option(...dataDir)
  .option('--no-wait', 'do not wait until the old key is needed no more, but say when that is')
  .action((options: StoreOptions & { wait: boolean }) =>
    withStore(process.env, options, (store, write) => rekeyAll(store, options, write)),
  );

keys
  .command('public')
  .description('print RECEIPT_PUBLIC_KEYS, the public halves that the adapters need, from RECEIPT_KEYS')
  .option('--file <file>', 'the file of RECEIPT_KEYS; default: RECEIPT_KEYS_FILE')
  .action((options: { file?: string }) => orComplain(() => showPublicKeys(process.env, options, toTerminal)));
keys
  .command('accept-loss <setting>')
  .description('state what is lost with a key, and with --yes let services start with another one')
  .option(...dataDir)
  .option('--yes', 'accept the loss; verification and rate-limit must not run')
  .action((setting: string, options: StoreOptions & { yes?: true }) =>
    withStore(process.env, options, (store, write) => acceptKeyLoss(store, setting, options, write)),
  );

const attempts = program.command('attempts').description('the counters of attempts');
attempts
  .command('check')
  .description('compare every counter with the ledger of attempts; exit code 1 when one differs')
  .option(...dataDir)
  .action((options: StoreOptions) => withStore(process.env, options, checkAttempts));
attempts
  .command('restore <tenant> <reference>')
  .description(
    'give a counter that differs the state that its ledger has; tenant and reference as attempts check names them',
  )
  .option(...dataDir)
  .action((tenant: string, reference: string, options: StoreOptions) =>
    withStore(process.env, options, (store, write) => restoreAttempts(store, tenant, reference, write)),
  );

program
  .command('simulate')
  .description('traffic as the voice platform sends it')
  .command('call')
  .description(
    "play a whole call against a running adapter; the agent's password is read from SIMULATE_PASSWORD, the PIN from SIMULATE_PIN",
  )
  .requiredOption('--agent <agent>', 'id of the agent')
  .requiredOption('--caller <number>', 'number of the caller, as +12025550123')
  .option('--url <url>', 'address of the adapter', 'http://localhost:3000')
  .option('--customer <id>', 'customer id that the caller names')
  .option('--department <name>', 'department to be connected to; otherwise the first of the policy')
  .action(async (options: Omit<SimulatedCall, 'password' | 'pin'>) => {
    const { SIMULATE_PASSWORD: password = '', SIMULATE_PIN: pin = '' } = process.env;
    await simulate({ ...options, password, pin });
  });

await program.parseAsync();

/** Version of the package. Its file lies beside the build output. */
function versionOf(): string {
  const file = new URL('../../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
