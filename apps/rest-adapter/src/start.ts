import { TOPICS } from '@countersign/contracts';
import {
  Host,
  openRefusedCredentials,
  type FatalHandler,
  type HostedService,
  type StartReplacements,
} from '@countersign/hosting';
import { HttpServer, type ServedRoute } from '@countersign/http';
import { KeyedHash, ReceiptPublicKeys, PayloadSealer } from '@countersign/crypto';
import { parseSetting, loadSettings, SystemClock, type Environment } from '@countersign/runtime';
import { KeyComparison, openVerificationClient } from '@countersign/verification-client';
import { Authenticator } from './http/authenticate.js';
import { checkedAdminKey, RestSettings } from './rest-adapter.settings.js';
import { Problem, sendProblem } from './http/problems.js';
import { addJsonParser, BODY_LIMIT, PARAMETER_LIMIT, RestRequestHooks } from './http/rest-request-hooks.js';
import { RestAdapterModule } from './rest-adapter.module.js';

const NAME = 'rest-adapter';

export interface RestAdapter extends HostedService {
  /** Every route that is served. */
  readonly routes: readonly ServedRoute[];
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
    const server = await HttpServer.start(
      RestAdapterModule.with({
        bus,
        client: openVerificationClient(host, bus, hash, sealer, settings.REPLY_TIMEOUT_MS),
        hash,
        sealer,
        receiptKeys,
        health: host.health,
        logger: host.logger,
        hooks: new RestRequestHooks(
          new Authenticator(adminKey, directory, new SystemClock()),
          openRefusedCredentials(host, bus, 'rest'),
        ),
        timeout: { milliseconds: settings.REPLY_TIMEOUT_MS },
      }),
      {
        host: settings.HOST,
        port: settings.REST_PORT,
        receiveMs: settings.RECEIVE_TIMEOUT_MS,
        maxBodyBytes: BODY_LIMIT,
        maxParamLength: PARAMETER_LIMIT,
        logger: host.logger,
        tracer: host.tracer,
        addBodyParsers: addJsonParser,
        sendNotFound: (reply) => sendProblem(reply, new Problem('not-found')),
      },
    );
    host.onClose(() => server.close());
    return { ...(await host.started({ rest: server.url })), routes: server.routes };
  } catch (error) {
    await host.close().catch(() => undefined);
    throw error;
  }
}
