import { Module, type DynamicModule } from '@nestjs/common';
import {
  apiProviders,
  ApiKeyUseReports,
  Authenticator,
  OperatorAuthentication,
  type ClientKeys,
} from '@countersign/api';
import { type FactRecorded } from '@countersign/contracts';
import { type Secret } from '@countersign/crypto';
import { openRefusedCredentials, type Host } from '@countersign/hosting';
import { HealthController } from '@countersign/http';
import { Health } from '@countersign/observability';
import { type Database } from '@countersign/persistence';
import { type VerifierKey } from '@countersign/transparency-log';
import { AttacksModule } from './attacks/attacks.module.js';
import { CountsModule } from './counts/counts.module.js';
import { LogFilesModule } from './log-files/log-files.module.js';
import { type PersonalDataVault } from './personal-data/personal-data.ports.js';
import { ForwardedOperators } from './search/forwarded-operators.js';
import { SearchModule } from './search/search.module.js';

/** What `start` opens for the API. */
export interface AuditApiResources {
  readonly adminKey: Secret;
  readonly host: Host;
  readonly database: Database;
  readonly vault: PersonalDataVault;
  readonly clientKeys: ClientKeys;
  /** Keys that verify checkpoints, the current one first. */
  readonly logKeys: readonly VerifierKey[];
  readonly recordFacts: (facts: readonly FactRecorded[]) => Promise<void>;
}

/** The API of the audit log. */
@Module({})
export class AuditApiModule {
  static with({ adminKey, host, database, vault, clientKeys, recordFacts, logKeys }: AuditApiResources): DynamicModule {
    const bus = {
      publish: (facts: readonly { readonly message: FactRecorded }[]) =>
        recordFacts(facts.map(({ message }) => message)),
    };
    const search = SearchModule.with(database, vault, bus, (error, what) => host.logger.warn({ err: error }, what));
    return {
      module: AuditApiModule,
      // The features check the keys of streams again.
      global: true,
      exports: [Authenticator],
      imports: [
        // Before the search, so the path of the counts is no id of an event.
        CountsModule.with(database),
        search,
        AttacksModule.with(search),
        LogFilesModule.with(database, bus, logKeys),
      ],
      controllers: [HealthController],
      providers: [
        { provide: Health, useValue: host.health },
        { provide: OperatorAuthentication, useClass: ForwardedOperators },
        ...apiProviders(host, {
          adminKey,
          clientKeys,
          keyUses: ApiKeyUseReports.open(host),
          refusedCredentials: openRefusedCredentials(host, bus, 'rest'),
        }),
      ],
    };
  }
}
