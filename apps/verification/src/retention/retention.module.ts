import { Module } from '@nestjs/common';
import { Host } from '@countersign/hosting';
import { Database } from '@countersign/persistence';
import { VerificationSettings } from '../verification.settings.js';
import { Retention } from './retention.store.js';

/** Removes expired rows while the service runs. */
@Module({
  providers: [
    {
      provide: Retention,
      inject: [Host, Database, VerificationSettings],
      useFactory: (host: Host, database: Database, settings: VerificationSettings) => {
        const { DECOY_DAYS: decoyDays, INBOX_DAYS: inboxDays, PRUNE_SECONDS } = settings;
        const retention = new Retention(database, { decoyDays, inboxDays });
        host.every(PRUNE_SECONDS * 1000, 'expired rows were not removed', () => retention.purge());
        return retention;
      },
    },
  ],
})
export class RetentionModule {}
