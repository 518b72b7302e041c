import { Module } from '@nestjs/common';
import { type Logger } from '@countersign/observability';
import { Database } from '@countersign/persistence';
import { Clock } from '@countersign/runtime';
import { requiredKeys } from '@countersign/stored-secrets';
import { LOGGER } from '../maintenance.js';
import { HashedLimitKeyring } from './limit-keys.store.js';
import { DirectoryLimits } from './limit-policies.store.js';
import { LimitRequests } from './limit-requests.js';
import { PostgresLimitStore } from './limit.store.js';
import { LimitKeyring, LimitPolicies, LimitStore } from './limits.ports.js';
import { ForeignKeys, RequiredKeys } from './required-keys.js';

const SETTING = 'IDENTIFIER_KEY';

@Module({
  providers: [
    { provide: LimitStore, useClass: PostgresLimitStore },
    { provide: LimitPolicies, useClass: DirectoryLimits },
    { provide: LimitKeyring, useClass: HashedLimitKeyring },
    {
      provide: RequiredKeys,
      inject: [Database, Clock],
      useFactory: (database: Database, clock: Clock) =>
        new RequiredKeys(async () => (await requiredKeys(database, SETTING)).map(({ keyId }) => keyId), clock),
    },
    {
      provide: ForeignKeys,
      inject: [Clock, LOGGER],
      useFactory: (clock: Clock, logger: Logger) =>
        new ForeignKeys(clock, () =>
          logger.error({ setting: SETTING }, 'requests are refused: their adapter uses another IDENTIFIER_KEY'),
        ),
    },
    LimitRequests,
  ],
  exports: [LimitStore, LimitPolicies, LimitKeyring, RequiredKeys, ForeignKeys, LimitRequests],
})
export class LimitsModule {}
