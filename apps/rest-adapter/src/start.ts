import { type AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { TOPICS } from '@countersign/contracts';
import {
  Host,
  openRefusedCredentials,
  type FatalHandler,
  type HostedService,
  type StartReplacements,
} from '@countersign/hosting';
import { NestLogger } from '@countersign/observability';
import { KeyedHash, ReceiptPublicKeys, PayloadSealer } from '@countersign/crypto';
import { parseSetting, loadSettings, SystemClock, type Environment } from '@countersign/runtime';
import { KeyComparison, openVerificationClient } from '@countersign/verification-client';
import { Authenticator } from './http/authenticate.js';
import { checkedAdminKey, RestSettings } from './rest-adapter.settings.js';
import { createAdapter, guardEdge, type KnownRoute } from './http/http-server.js';
import { ProblemFilter } from './http/problems.js';
import { RestAdapterModule } from './rest-adapter.module.js';

const NAME = 'rest-adapter';

export interface RestAdapter extends HostedService {
  /** Every route that is served. */
  readonly routes: readonly KnownRoute[];
}

/**
 * Starts the REST adapter. The port opens when everything that an answer needs is there.
 * @param fatal is called when only a restart helps
 * @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE; an Error of the system when a port is taken
 */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<RestAdapter> {
  const settings = loadSettings(RestSettings, env);
  const adminKey = await parseSetting('ADMIN_API_KEY', () => checkedAdminKey(settings.ADMIN_API_KEY));
  const hash = await parseSetting('IDENTIFIER_KEY', () => new KeyedHash(settings.IDENTIFIER_KEY));
  const sealer = await parseSetting('SEALING_PUBLIC_KEYS', () =>
    PayloadSealer.fromKeySet(settings.SEALING_PUBLIC_KEYS),
  );
  const receiptKeys = await parseSetting('RECEIPT_PUBLIC_KEYS', () =>
    ReceiptPublicKeys.fromPublicKeySet(settings.RECEIPT_PUBLIC_KEYS),
  );

  const topics = [
    TOPICS.requests,
    TOPICS.queries,
    TOPICS.subjectCommands,
    TOPICS.directoryCommands,
    TOPICS.limitCommands,
    TOPICS.directory,
    TOPICS.facts,
  ];
  const host = await Host.open(NAME, settings, topics, fatal, replace);
  try {
    const bus = await host.client(receiptKeys);
    await KeyComparison.begin(
      host,
      bus,
      [
        { setting: 'IDENTIFIER_KEY', keys: hash.checks },
        { setting: 'SEALING_PUBLIC_KEYS', keys: [sealer.check] },
        { setting: 'RECEIPT_PUBLIC_KEYS', keys: receiptKeys.checks },
      ],
      fatal,
    );
    const directory = await host.directory();
    const adapter = createAdapter(host.tracer, settings.RECEIVE_TIMEOUT_MS);
    const routes = guardEdge(
      adapter,
      new Authenticator(adminKey, directory, new SystemClock()),
      openRefusedCredentials(host, bus, 'rest'),
      host.logger,
    );
    const client = openVerificationClient(host, bus, hash, sealer, settings.REPLY_TIMEOUT_MS);
    const timeout = { milliseconds: settings.REPLY_TIMEOUT_MS };
    const app = await NestFactory.create<NestFastifyApplication>(
      RestAdapterModule.with({ bus, client, hash, sealer, receiptKeys, health: host.health, timeout }),
      adapter,
      { bodyParser: false, abortOnError: false, logger: new NestLogger(host.logger) },
    );
    host.onClose(() => app.close());
    app.useGlobalFilters(new ProblemFilter(host.logger));
    await app.listen(settings.REST_PORT, settings.HOST);
    const { port } = app.getHttpServer().address() as AddressInfo;
    const started = await host.started({ rest: `http://${settings.HOST}:${port}` });
    return { ...started, routes };
  } catch (error) {
    await host.close().catch(() => undefined);
    throw error;
  }
}
