import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { DEFAULT_LOG_ORIGIN } from '@countersign/contracts';
import { type Broker } from '@countersign/messaging';
import { type ReplayAttemptsOptions } from './attempts/replay/replay-attempts.js';
import { type ListOptions, type ReplayOptions } from './dead-letters/dead-letters.js';
import { type SimulatedCall } from './demo/simulate-call.js';
import { type ReportOptions } from './doctor/doctor.js';
import { addEventCommands } from './events/event-commands.js';
import { type SecretsOptions } from './keys/create-secrets.js';
import { addLogCommands } from './log/log-commands.js';
import { type ImportFileOptions } from './subjects/import-file.js';
import { type ApiOptions } from './subjects/rest-api.js';
import { reportFault, toTerminal, type Write } from './terminal/terminal.js';
import { type Store, type StoreOptions } from './terminal/with-store.js';

/**
 * The modules of the commands. An action imports its own when it runs, because all of them together load TypeORM and the
 * settings of every service, which takes longer than most commands.
 */
const modules = {
  acceptKeyLoss: () => import('./keys/accept-key-loss.js'),
  acceptLoss: () => import('./groups/accept-loss.js'),
  checkAttempts: () => import('./attempts/check-attempts.js'),
  createSecrets: () => import('./keys/create-secrets.js'),
  deadLetters: () => import('./dead-letters/dead-letters.js'),
  doctor: () => import('./doctor/doctor.js'),
  exportFile: () => import('./subjects/export-file.js'),
  importFile: () => import('./subjects/import-file.js'),
  keys: () => import('./keys/keys.js'),
  rekey: () => import('./keys/rekey.js'),
  replayAttempts: () => import('./attempts/replay/replay-attempts.js'),
  restoreAttempts: () => import('./attempts/restore-attempts.js'),
  showDemo: () => import('./demo/show-demo.js'),
  simulateCall: () => import('./demo/simulate-call.js'),
};

async function withBroker(command: (broker: Broker, write: Write) => Promise<void>): Promise<void> {
  const terminal = await import('./terminal/with-broker.js');
  await terminal.withBroker(process.env, command);
}

async function withStore(options: StoreOptions, command: (store: Store, write: Write) => Promise<void>): Promise<void> {
  const terminal = await import('./terminal/with-store.js');
  await terminal.withStore(process.env, options, command);
}

const program = new Command('countersign')
  .description('Caller identity verification for AI voice agents')
  .version(versionOf(), '--version', 'show the version');

program
  .command('demo')
  .description('show how to try the demo that npm start created, with its password, API key and PIN')
  .option('--data-dir <folder>', 'the DATA_DIR of npm start', process.env['DATA_DIR'] || './data')
  .action((options: { dataDir: string }) =>
    reportFault(async () => (await modules.showDemo()).showDemo(options.dataDir, toTerminal)),
  );

program
  .command('doctor')
  .description(
    'find out what is wrong and how to mend it; exit code 0: nothing, 1: warnings or skipped checks, 2: failures',
  )
  .option('--data-dir <folder>', 'the DATA_DIR of npm start, which may run; default without KAFKA_BROKERS: ./data')
  .option('--service <names...>', 'the services with these settings; default: all')
  .option('--min-disk <MiB>', 'free space that the data folder must have', '1024')
  .option('--min-days <days>', 'days that a certificate must still be valid', '30')
  .option('--json', 'as JSON')
  .action(async (options: ReportOptions) => {
    await reportFault(async () => {
      const { examineInstallation } = await modules.doctor();
      process.exitCode = await examineInstallation(process.env, options, toTerminal);
    });
    // A server that hangs must not keep the command alive. Standard output is written first.
    process.stdout.write('', () => process.exit());
  });

program
  .command('secrets')
  .description('keys and secrets of an installation')
  .command('create <folder>')
  .description('create the secrets that the folder lacks, one file each, readable by the owner only; never overwrites')
  .option('--log-origin <origin>', 'LOG_ORIGIN of the services, for the key of the audit log', DEFAULT_LOG_ORIGIN)
  .action((folder: string, options: SecretsOptions) =>
    reportFault(async () => (await modules.createSecrets()).createSecrets(folder, options)),
  );

const deadLetters = program
  .command('dead-letters')
  .description('records that could not be handled; reads KAFKA_BROKERS and TOPIC_PREFIX as a service does');
deadLetters
  .command('list')
  .description('list all dead letters')
  .option('--json', 'as JSON')
  .option('--since <time>', 'only from this time on, ISO 8601')
  .action((options: ListOptions) =>
    withBroker(async (broker, write) => (await modules.deadLetters()).listDeadLetters(broker, options, write)),
  );
deadLetters
  .command('show <id>')
  .description('show one dead letter, and whether its record still exists')
  .action((id: string) =>
    withBroker(async (broker, write) => (await modules.deadLetters()).showDeadLetter(broker, id, write)),
  );
deadLetters
  .command('replay [id]')
  .description('send the record of a dead letter again; every group of its topic receives it')
  .option('--all', 'all dead letters that match the other options; lists those that cannot be replayed')
  .option('--group <group>', 'with --all: only of this group')
  .option('--code <code>', 'with --all: only with this error code')
  .option('--since <time>', 'with --all: only from this time on, ISO 8601')
  .option('--dry-run', 'send nothing and show what would be sent')
  .action((id: string | undefined, options: ReplayOptions) =>
    withBroker(async (broker, write) => (await modules.deadLetters()).replayDeadLetters(broker, id, options, write)),
  );

program
  .command('groups')
  .description('consumer groups')
  .command('accept-loss <group>')
  .description('let a group continue that ended with RECORDS_LOST; its service must not run')
  .option('--dry-run', 'change nothing and show what would change')
  .action((group: string, options: { dryRun?: true }) =>
    withBroker(async (broker, write) => (await modules.acceptLoss()).acceptLoss(broker, group, options, write)),
  );

const dataDir = [
  '--data-dir <folder>',
  'the DATA_DIR of npm start, which must not run; instead of DATABASE_URL',
] as const;
const keyFile = ['--file <file>', 'the file of the keyring; default: CREDENTIAL_KEYS_FILE'] as const;
const keys = program
  .command('keys')
  .description('keys of stored data; reads DATABASE_URL, CREDENTIAL_KEYS and IDENTIFIER_KEY as verification does');
keys
  .command('status')
  .description('count the rows that each key encrypts')
  .option(...dataDir)
  .action((options: StoreOptions) =>
    withStore(options, async (store, write) => (await modules.keys()).keyStatus(store, write)),
  );
keys
  .command('rotate')
  .description('add a new key to the file of the keyring, which encrypts from then on')
  .option(...keyFile)
  .option('--last', 'add a key that only decrypts: for copies that are restarted one after the other')
  .action((options: { file?: string; last?: true }) =>
    reportFault(async () => (await modules.keys()).rotateKeys(process.env, options, toTerminal)),
  );
keys
  .command('use <id>')
  .description('let a key of the file encrypt')
  .option(...keyFile)
  .action((id: string, options: { file?: string }) =>
    reportFault(async () => (await modules.keys()).useKey(process.env, id, options, toTerminal)),
  );
keys
  .command('rewrap')
  .description('encrypt every row under the first key; can be stopped and run again while verifications continue')
  .option(...dataDir)
  .action((options: StoreOptions) =>
    withStore(options, async (store, write) => (await modules.keys()).rewrapAll(store, write)),
  );

keys
  .command('rekey')
  .description('start to use the new key of IDENTIFIER_KEY; can be stopped and run again while verifications continue')
  .option(...dataDir)
  .option('--no-wait', 'do not wait until the old key can be removed, but show when that is')
  .action((options: StoreOptions & { wait: boolean }) =>
    withStore(options, async (store, write) => (await modules.rekey()).rekeyAll(store, options, write)),
  );

keys
  .command('public')
  .description('print RECEIPT_PUBLIC_KEYS, which the adapters need, from RECEIPT_KEYS')
  .option('--file <file>', 'the file of RECEIPT_KEYS; default: RECEIPT_KEYS_FILE')
  .action((options: { file?: string }) =>
    reportFault(async () => (await modules.keys()).showPublicKeys(process.env, options, toTerminal)),
  );
keys
  .command('accept-loss <setting>')
  .description('show what is lost with a key; with --yes, let services start with another key')
  .option(...dataDir)
  .option('--yes', 'accept the loss; verification, rate-limit and webhooks must not run')
  .action((setting: string, options: StoreOptions & { yes?: true }) =>
    withStore(options, async (store, write) =>
      (await modules.acceptKeyLoss()).acceptKeyLoss(store, setting, options, write),
    ),
  );

const api = {
  tenant: ['--tenant <tenant>', 'name of the tenant'],
  url: ['--url <url>', 'address of the REST API; default: COUNTERSIGN_REST_URL, else http://localhost:3001'],
  keyFile: ['--key-file <file>', 'file of the key; default: COUNTERSIGN_API_KEY_FILE'],
} as const;

const attempts = program.command('attempts').description('attempt counters');
attempts
  .command('check')
  .description('compare every counter with the ledger of attempts; exit code 1 when one differs')
  .option(...dataDir)
  .action((options: StoreOptions) =>
    withStore(options, async (store, write) => (await modules.checkAttempts()).checkAttempts(store, write)),
  );
attempts
  .command('restore <tenant> <reference>')
  .description('restore a counter that differs from its ledger; tenant and reference as attempts check shows them')
  .option(...dataDir)
  .action((tenant: string, reference: string, options: StoreOptions) =>
    withStore(options, async (store, write) =>
      (await modules.restoreAttempts()).restoreAttempts(store, tenant, reference, write),
    ),
  );
attempts
  .command('replay')
  .description(
    'replay attempts from their events and compare the result with the counters, through the REST API; exit code 1 when one differs',
  )
  .requiredOption(...api.tenant)
  .option('--subject <subject>', 'only this subject')
  .option('--file <file>', 'an export of events as NDJSON, also as .gz')
  .option('--topic', 'the topic of events; reads KAFKA_BROKERS and TOPIC_PREFIX as a service does')
  .option(...api.url)
  .option(...api.keyFile)
  .action(({ topic, ...options }: ReplayAttemptsOptions & { topic?: true }) =>
    topic
      ? withBroker(async (broker, write) =>
          (await modules.replayAttempts()).replayAttempts(process.env, options, write, broker),
        )
      : reportFault(async () => (await modules.replayAttempts()).replayAttempts(process.env, options, toTerminal)),
  );

program
  .command('simulate')
  .description('requests as the voice platform sends them')
  .command('call')
  .description(
    "run a whole call against a running adapter; reads the agent's password from SIMULATE_PASSWORD and the PIN from SIMULATE_PIN",
  )
  .requiredOption('--agent <agent>', 'id of the agent')
  .requiredOption('--caller <number>', 'number of the caller, as +12025550123')
  .option('--url <url>', 'address of the adapter', 'http://localhost:3000')
  .option('--customer <id>', 'customer id that the caller gives')
  .option('--department <name>', 'department to transfer to; default: the first of the policy')
  .action(async (options: Omit<SimulatedCall, 'password' | 'pin'>) => {
    const { SIMULATE_PASSWORD: password = '', SIMULATE_PIN: pin = '' } = process.env;
    const { simulate } = await modules.simulateCall();
    await simulate({ ...options, password, pin });
  });

const subjects = program
  .command('subjects')
  .description(
    'subjects of a tenant, through the REST API; the key is read from COUNTERSIGN_API_KEY or from the file of --key-file',
  );
subjects
  .command('import <file>')
  .description('import a CSV file, or NDJSON (.ndjson, .jsonl); an interrupted import continues when it is run again')
  .requiredOption(...api.tenant)
  .option(...api.url)
  .option(...api.keyFile)
  .option('--dry-run', 'check every row and change nothing')
  .option('--restart', 'begin again instead of continuing an interrupted import')
  .action((file: string, options: ImportFileOptions) =>
    reportFault(async () => {
      const { importFile } = await modules.importFile();
      if (!(await importFile(process.env, file, options, toTerminal))) process.exitCode = 1;
    }),
  );
subjects
  .command('export [file]')
  .description('export all subjects as NDJSON, without secrets, to a file or to standard output')
  .requiredOption(...api.tenant)
  .option(...api.url)
  .option(...api.keyFile)
  .action((file: string | undefined, options: ApiOptions) =>
    reportFault(async () => (await modules.exportFile()).exportFile(process.env, file, options, toTerminal)),
  );

addLogCommands(program, process.env, toTerminal);
addEventCommands(program, process.env, toTerminal);

await program.parseAsync();

/** Version of the package. Its file lies beside the build output. */
function versionOf(): string {
  const file = new URL('../../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
