import { Module, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import { ApiKeyUseReports, apiProviders, Authenticator, type ClientKeys } from '@countersign/api';
import { KeyedHash, PayloadSealer, ReceiptPublicKeys, type Secret } from '@countersign/crypto';
import { openRefusedCredentials, RefusedCredentials, type Host } from '@countersign/hosting';
import { HealthController } from '@countersign/http';
import { type BusClient } from '@countersign/messaging';
import { Health } from '@countersign/observability';
import { openVerificationClient, VerificationClient, type AdapterKeys } from '@countersign/verification-client';
import { ConsoleModule } from './console/console.module.js';
import { AuditService } from './events/audit-service.js';
import { AuditLogModule } from './events/events.module.js';
import { RestRequestLimits } from './http/request-limits.js';
import { ImportStreamsModule } from './imports/imports.module.js';
import { ManagementModule } from './management/management.module.js';
import { policySchemas } from './management/policies/policy.schemas.js';
import { describeApi } from './openapi/describe-api.js';
import { OpenApiController } from './openapi/openapi.controller.js';
import { OpenApiModule } from './openapi/openapi.module.js';
import { OperatorsModule } from './operators/operators.module.js';
import { type ProviderSettings } from './operators/operator.settings.js';
import { ReceiptsModule } from './receipts/receipts.module.js';
import { CommandBus, FactBus, StreamLimits, ReplyTimeout } from './rest-adapter.ports.js';
import { type RestSettings } from './rest-adapter.settings.js';
import { ServiceStates, type ProcessOrigins } from './services/service-states.js';
import { ServiceStatesModule } from './services/services.module.js';
import { WebhookManagementModule } from './webhooks/webhooks.module.js';
import { VerificationsModule } from './verifications/verifications.module.js';

/** An import that lasts longer ends, and is resumed with another request. */
const LONGEST_IMPORT_MS = 12 * 3_600_000;

/** What `start` opens. */
export interface RestResources {
  readonly settings: RestSettings;
  readonly adminKey: Secret;
  /** Undefined: operators sign in with the administrator key. */
  readonly provider: ProviderSettings | undefined;
  readonly keys: AdapterKeys;
  readonly host: Host;
  readonly bus: BusClient;
  readonly clientKeys: ClientKeys;
  /** The ports for operators of all processes. */
  readonly processes: () => ProcessOrigins;
}

const FEATURES = [
  ...[
    VerificationsModule,
    ReceiptsModule,
    ManagementModule,
    ImportStreamsModule,
    WebhookManagementModule,
    AuditLogModule,
    ServiceStatesModule,
  ],
];

/** The OpenAPI document of all routes. It needs no resources. */
export function apiDocument(): Promise<object> {
  const controllers = FEATURES.flatMap((feature) => Reflect.getMetadata('controllers', feature) as Type[]);
  return describeApi([...controllers, HealthController, OpenApiController], policySchemas());
}

/** Provides to every feature what it needs from outside. */
@Module({})
class ResourcesModule {
  static with({ settings, adminKey, keys, host, bus, processes }: RestResources): DynamicModule {
    const { hash, sealer, receiptKeys } = keys;
    const milliseconds = settings.REPLY_TIMEOUT_MS;
    const logFault = (error: unknown, what: string): void => host.logger.warn({ err: error }, what);
    const providers: Provider[] = [
      { provide: CommandBus, useValue: bus },
      { provide: FactBus, useValue: bus },
      {
        provide: StreamLimits,
        useValue: { idleMs: settings.RECEIVE_TIMEOUT_MS, longestMs: LONGEST_IMPORT_MS, logFault },
      },
      { provide: ReplyTimeout, useValue: { milliseconds } },
      { provide: KeyedHash, useValue: hash },
      { provide: PayloadSealer, useValue: sealer },
      { provide: ReceiptPublicKeys, useValue: receiptKeys },
      { provide: Health, useValue: host.health },
      {
        provide: VerificationClient,
        useFactory: () => openVerificationClient(host, bus, keys, milliseconds),
      },
      { provide: AuditService, useFactory: () => new AuditService(settings.AUDIT_URL, milliseconds, adminKey) },
      { provide: ServiceStates, useFactory: () => new ServiceStates(processes) },
      RestRequestLimits,
    ];
    return { module: ResourcesModule, global: true, providers, exports: providers };
  }
}

@Module({})
export class RestAdapterModule {
  static with(resources: RestResources): DynamicModule {
    const { adminKey, host, bus, clientKeys, settings, provider } = resources;
    const operators = OperatorsModule.with(host, settings, provider);
    return {
      module: RestAdapterModule,
      global: true,
      exports: [Authenticator, RefusedCredentials],
      imports: [
        ResourcesModule.with(resources),
        operators,
        ...FEATURES,
        ConsoleModule,
        OpenApiModule.serving(apiDocument),
      ],
      controllers: [HealthController],
      providers: apiProviders(host, {
        adminKey,
        clientKeys,
        keyUses: ApiKeyUseReports.open(host),
        refusedCredentials: openRefusedCredentials(host, bus, 'rest'),
      }),
    };
  }
}
