import { Host, type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { METRICS } from '@countersign/observability';
import { loadSettings, type Environment } from '@countersign/runtime';
import { NEEDS, readSigningKeys } from './needs.js';
import { BusCheckpoints } from './signing/bus-checkpoints.js';
import { HttpWitnesses } from './signing/http-witnesses.js';
import { PostgresLogReader } from './signing/log-reader.store.js';
import { runSigner } from './signing/run-signer.js';
import { SignCheckpoint } from './signing/sign-checkpoint.use-case.js';
import { StateFile } from './signing/state-file.js';

/** Starts the signer. @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE, DATABASE_UNAVAILABLE */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(NEEDS.settings, env);
  const { key, witnesses } = await readSigningKeys(settings);
  return Host.start(NEEDS, settings, fatal, replace, async (host) => {
    for (const { key: of } of witnesses) METRICS.witnessFailures.inc({ witness: of.name }, 0);
    const signing = new SignCheckpoint(
      {
        log: new PostgresLogReader(await host.reader(NEEDS.reads, settings), settings.LOG_ORIGIN),
        state: new StateFile(settings.LOG_SIGNER_STATE, settings.LOG_ORIGIN),
        topic: new BusCheckpoints(host.broker, key.verifier),
        witnesses: new HttpWitnesses(witnesses, (witness, error) => {
          METRICS.witnessFailures.inc({ witness });
          host.logger.warn({ err: error, witness }, 'a witness has not signed the checkpoint');
        }),
      },
      key,
    );
    await signing.restore();
    runSigner(host, signing);
    return host.started();
  });
}
