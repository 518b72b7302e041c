import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import { KeyedHash } from '@countersign/crypto';
import { type DirectoryCache } from '@countersign/directory-cache';
import { Host, openRefusedCredentials, RefusedCredentials } from '@countersign/hosting';
import { BusClient } from '@countersign/messaging';
import { Health } from '@countersign/observability';
import { Clock, SystemClock } from '@countersign/runtime';
import { openVerificationClient, VerificationClient, type AdapterKeys } from '@countersign/verification-client';
import { BusCallStates, BusFacts } from './bus-services.js';
import { PublicUrl } from './http/public-url.js';
import { SwaigRequestLimits } from './http/request-limits.js';
import { CaptureTokens } from './keypad/capture-token.js';
import { Agents, CallStates, Facts } from './swaig-adapter.ports.js';
import { SwaigSettings } from './swaig-adapter.settings.js';

/** What `start` opens, in order, because a resource that fails to open must end the start before others use it. */
export interface OpenedResources {
  readonly settings: SwaigSettings;
  readonly host: Host;
  readonly bus: BusClient;
  readonly directory: DirectoryCache;
  readonly keys: AdapterKeys;
  /** Of CAPTURE_TOKEN_KEY. */
  readonly captureKey: KeyedHash;
}

/** What every feature uses: the other services, the directory, limits, settings, clock. */
@Module({})
export class ServicesModule {
  static with({ settings, host, bus, directory, keys, captureKey }: OpenedResources): DynamicModule {
    const providers: Provider[] = [
      { provide: SwaigSettings, useValue: settings },
      { provide: Host, useValue: host },
      { provide: Health, useValue: host.health },
      { provide: BusClient, useValue: bus },
      { provide: Agents, useValue: directory },
      { provide: KeyedHash, useValue: keys.hash },
      { provide: CaptureTokens, useValue: new CaptureTokens(captureKey) },
      { provide: Clock, useClass: SystemClock },
      { provide: CallStates, useClass: BusCallStates },
      { provide: Facts, useClass: BusFacts },
      {
        provide: VerificationClient,
        useFactory: () => openVerificationClient(host, bus, keys, settings.REPLY_TIMEOUT_MS),
      },
      { provide: RefusedCredentials, useFactory: () => openRefusedCredentials(host, bus, 'swaig') },
      PublicUrl,
      SwaigRequestLimits,
    ];
    return { module: ServicesModule, global: true, providers, exports: providers };
  }
}
