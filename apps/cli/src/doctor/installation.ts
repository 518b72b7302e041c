import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findRunningPostgres, startEmbeddedPostgres } from '@countersign/embedded-postgres';
import { connectionFaults, type BusSettings, type HeldKeys, type ServiceNeeds } from '@countersign/hosting';
import { HttpListener } from '@countersign/http-listener';
import { logSignerState, overSecretFiles, readSecretFiles } from '@countersign/installation';
import { createProcessLogger } from '@countersign/observability';
import { readSettings, settingFaultsOf, type Environment } from '@countersign/runtime';
import { AllInOneSettings } from '../../../all-in-one/src/all-in-one.settings.js';
import { NEEDS as AUDIT } from '../../../audit/src/needs.js';
import { NEEDS as DIRECTORY } from '../../../directory/src/needs.js';
import { NEEDS as LOG_SIGNER } from '../../../log-signer/src/needs.js';
import { NEEDS as RATE_LIMIT } from '../../../rate-limit/src/needs.js';
import { NEEDS as REST_ADAPTER } from '../../../rest-adapter/src/needs.js';
import { NEEDS as SWAIG_ADAPTER } from '../../../swaig-adapter/src/needs.js';
import { NEEDS as VERIFICATION } from '../../../verification/src/needs.js';
import { NEEDS as WEBHOOKS } from '../../../webhooks/src/needs.js';
import { refusedSetting } from '../terminal/terminal.js';
import { failureOf, type Finding } from './report.js';

export const SERVICES: readonly ServiceNeeds[] = [
  ...[DIRECTORY, VERIFICATION, RATE_LIMIT, AUDIT],
  ...[LOG_SIGNER, REST_ADAPTER, SWAIG_ADAPTER, WEBHOOKS],
];

/** A service whose settings were read. */
export interface ExaminedService {
  readonly needs: ServiceNeeds;
  /** Settings named in `faults` are missing or wrong. */
  readonly settings: BusSettings;
  /** Each begins with the name of a setting. */
  readonly faults: readonly string[];
  /** Undefined when a key has a fault. */
  readonly keys: HeldKeys | undefined;
}

/** What is examined. */
export interface ExaminedInstallation {
  /** That of `npm start`; undefined: the services run alone. */
  readonly dataDir: string | undefined;
  /** The data folder has no secrets yet, so only `npm start` can create them. */
  readonly isNew: boolean;
  readonly environment: Environment;
  readonly services: readonly ExaminedService[];
  /** How the embedded database was reached; undefined: a server of its own. */
  readonly embedded: { readonly note: string } | { readonly fault: Omit<Finding, 'check'> } | undefined;
  close(): Promise<void>;
}

export interface DoctorOptions {
  readonly dataDir?: string;
  readonly service?: readonly string[];
}

/**
 * Reads the settings as the services do, and creates nothing. An embedded database that does not run is started and stopped
 * again by `close`.
 * @throws ServiceError SETTINGS_INVALID for an unknown service
 */
export async function readInstallation(env: Environment, options: DoctorOptions): Promise<ExaminedInstallation> {
  const selected = selectServices(options.service);
  const dataDir = dataDirOf(env, options);
  const isNew = dataDir !== undefined && !existsSync(join(dataDir, 'secrets'));
  if (dataDir === undefined) {
    return {
      dataDir,
      isNew,
      environment: env,
      services: await examine(selected, env, true),
      embedded: undefined,
      close,
    };
  }
  const database = await embeddedDatabase(dataDir, env);
  const environment = {
    LOG_SIGNER_STATE: logSignerState(dataDir),
    ...overSecretFiles(readSecretFiles(join(dataDir, 'secrets')), env),
    ...(database && { DATABASE_URL: database.url }),
  };
  const services = isNew ? [] : await examine(selected, environment, false);
  return { dataDir, isNew, environment, services, embedded: database?.found, close: database?.close ?? close };
}

const close = (): Promise<void> => Promise.resolve();

/** Without a broker in the settings there is only `npm start`. */
function dataDirOf(env: Environment, { dataDir }: DoctorOptions): string | undefined {
  const named = dataDir ?? (env['DATA_DIR'] || undefined);
  if (named !== undefined) return resolve(named);
  const isAlone = ['KAFKA_BROKERS', 'KAFKA_BROKERS_FILE'].some((name) => env[name]);
  return isAlone ? undefined : resolve(new AllInOneSettings().DATA_DIR);
}

function selectServices(names: readonly string[] = []): readonly ServiceNeeds[] {
  const unknown = names.find((name) => !SERVICES.some((one) => one.name === name));
  if (unknown !== undefined)
    throw refusedSetting(`--service must be one of ${SERVICES.map(({ name }) => name).join(', ')}`);
  return names.length === 0 ? SERVICES : SERVICES.filter(({ name }) => names.includes(name));
}

interface EmbeddedDatabase {
  /** Without a server a URL that is not used: no setting of the operator is wrong. */
  readonly url: string;
  readonly found: NonNullable<ExaminedInstallation['embedded']>;
  readonly close: () => Promise<void>;
}

/** Undefined when a server of its own is configured, or `npm start` has not created the database yet. */
async function embeddedDatabase(dataDir: string, env: Environment): Promise<EmbeddedDatabase | undefined> {
  const folder = join(dataDir, 'postgres');
  if (env['DATABASE_URL'] || env['DATABASE_URL_FILE'] || !existsSync(folder)) return undefined;
  try {
    const running = await findRunningPostgres(folder);
    if (running !== undefined) return { url: running, found: { note: 'embedded, of the running product' }, close };
    const started = await startEmbeddedPostgres({ dataDir: folder });
    const note = 'embedded, started for this check';
    return { url: started.url, found: { note }, close: () => started.close() };
  } catch (error) {
    return { url: 'postgres://127.0.0.1:1/postgres', found: { fault: failureOf(error) }, close };
  }
}

async function examine(
  needs: readonly ServiceNeeds[],
  env: Environment,
  isAlone: boolean,
): Promise<readonly ExaminedService[]> {
  return Promise.all(
    needs.map(async (one): Promise<ExaminedService> => {
      const { values: settings, faults } = readSettings(one.settings, env);
      const missing =
        isAlone && settings.KAFKA_BROKERS === undefined
          ? ['KAFKA_BROKERS must be set for a service that runs alone']
          : [];
      const named = new Set([...faults, ...missing].map(settingOf));
      const found = await one.readKeys(settings).then(
        (keys) => ({ keys, faults: [] }),
        (error: unknown) => ({ keys: undefined, faults: settingFaultsOf(error) ?? [] }),
      );
      const http = await HttpListener.open('doctor', settings, createProcessLogger('silent')).then(
        () => [],
        (error: unknown) => settingFaultsOf(error) ?? [],
      );
      // A missing setting cannot be parsed either.
      const further = [...connectionFaults(settings), ...http, ...found.faults].filter(
        (fault) => !named.has(settingOf(fault)),
      );
      return { needs: one, settings, keys: found.keys, faults: [...faults, ...missing, ...further] };
    }),
  );
}

/** The name with which a fault begins. */
export const settingOf = (fault: string): string => /^[A-Z0-9_]+/.exec(fault)?.[0] ?? '';
