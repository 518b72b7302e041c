import { TOPICS } from '@countersign/contracts';
import {
  Host,
  openRefusedCredentials,
  type FatalHandler,
  type HostedService,
  type StartReplacements,
} from '@countersign/hosting';
import { HttpServer } from '@countersign/http';
import { KeyedHash, ReceiptPublicKeys, PayloadSealer } from '@countersign/crypto';
import { parseSetting, loadSettings, SystemClock, type Environment } from '@countersign/runtime';
import { KeyComparison, openVerificationClient } from '@countersign/verification-client';
import { AuthenticateAgent } from './http/authenticate-agent.js';
import { BusCallStates, BusFacts } from './swaig-adapter.stores.js';
import { SwaigSettings } from './swaig-adapter.settings.js';
import { CaptureTokens } from './keypad/capture-token.js';
import { addRawJsonParser, MAX_BODY_BYTES, MAX_TOKEN_LENGTH, SwaigRequestHooks } from './http/swaig-request-hooks.js';
import { OpenCapture } from './keypad/open-capture.use-case.js';
import { refusalBody } from './http/transport-refusals.js';
import { SwaigAdapterModule } from './swaig-adapter.module.js';

const NAME = 'swaig-adapter';

/**
 * Starts the SWAIG adapter. It opens its port once it can answer requests.
 * @param fatal is called on a fault that only a restart can fix
 * @throws ServiceError SETTINGS_INVALID, BROKER_UNAVAILABLE; an Error of the system when a port is taken
 */
export async function start(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements = {},
): Promise<HostedService> {
  const settings = loadSettings(SwaigSettings, env);
  const hash = await parseSetting('IDENTIFIER_KEY', () => new KeyedHash(settings.IDENTIFIER_KEY));
  const captureKey = await parseSetting('CAPTURE_TOKEN_KEY', () => new KeyedHash(settings.CAPTURE_TOKEN_KEY));
  const sealer = await parseSetting('SEALING_PUBLIC_KEYS', () =>
    PayloadSealer.fromKeySet(settings.SEALING_PUBLIC_KEYS),
  );
  const receiptKeys = await parseSetting('RECEIPT_PUBLIC_KEYS', () =>
    ReceiptPublicKeys.fromPublicKeySet(settings.RECEIPT_PUBLIC_KEYS),
  );

  const host = await Host.open(
    NAME,
    settings,
    [TOPICS.requests, TOPICS.queries, TOPICS.facts, TOPICS.directory],
    fatal,
    replace,
  );
  try {
    const bus = await host.client(receiptKeys);
    await KeyComparison.begin(
      host,
      bus,
      [
        { setting: 'IDENTIFIER_KEY', keys: hash.checks },
        { setting: 'SEALING_PUBLIC_KEYS', keys: [sealer.check] },
        { setting: 'RECEIPT_PUBLIC_KEYS', keys: receiptKeys.checks },
        { setting: 'CAPTURE_TOKEN_KEY', keys: captureKey.checks },
      ],
      fatal,
    );
    const directory = await host.directory();
    const clock = new SystemClock();
    const captureTokens = new CaptureTokens(captureKey);
    const server = await HttpServer.start(
      SwaigAdapterModule.with({
        settings,
        hash,
        client: openVerificationClient(host, bus, hash, sealer, settings.REPLY_TIMEOUT_MS),
        callStates: new BusCallStates(bus, settings.REPLY_TIMEOUT_MS),
        facts: new BusFacts(bus),
        captureTokens,
        clock,
        health: host.health,
        logger: host.logger,
        hooks: new SwaigRequestHooks(
          new AuthenticateAgent(directory, clock),
          new OpenCapture(captureTokens, directory, clock),
          openRefusedCredentials(host, bus, 'swaig'),
        ),
      }),
      {
        host: settings.HOST,
        port: settings.SWAIG_PORT,
        receiveMs: settings.RECEIVE_TIMEOUT_MS,
        maxBodyBytes: MAX_BODY_BYTES,
        maxParamLength: MAX_TOKEN_LENGTH,
        ignoreTrailingSlash: true,
        logger: host.logger,
        tracer: host.tracer,
        addBodyParsers: addRawJsonParser,
        sendNotFound: (reply) => void reply.code(404).send(refusalBody(404)),
      },
    );
    host.onClose(() => server.close());
    return await host.started({ swaig: server.url });
  } catch (error) {
    await host.close().catch(() => undefined);
    throw error;
  }
}
