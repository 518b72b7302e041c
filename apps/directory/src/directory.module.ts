import { Module, type DynamicModule } from '@nestjs/common';
import { Database, OutboxRelay } from '@countersign/persistence';
import { AgentsModule } from './agents/agents.module.js';
import { ApiKeysModule } from './api-keys/api-keys.module.js';
import { ChangeDirectory } from './change-directory.use-case.js';
import { DirectoryCaches, DirectoryStore } from './directory.ports.js';
import { PostgresDirectoryStore } from './directory.store.js';
import { OperatorSessionsModule } from './operator-sessions/operator-sessions.module.js';
import { PoliciesModule } from './policies/policies.module.js';
import { PublishedEntries } from './policies/published-entries.js';
import { TenantsModule } from './tenants/tenants.module.js';

/** What start.ts opens. */
export interface DirectoryResources {
  readonly database: Database;
  readonly relay: OutboxRelay;
  readonly entries: PublishedEntries;
  readonly caches: DirectoryCaches;
}

/** Composes the features. What they share is global. */
@Module({ imports: [TenantsModule, AgentsModule, ApiKeysModule, PoliciesModule] })
export class DirectoryModule {
  static with({ database, relay, entries, caches }: DirectoryResources): DynamicModule {
    return {
      module: DirectoryModule,
      imports: [OperatorSessionsModule.with(database, relay)],
      global: true,
      providers: [
        { provide: Database, useValue: database },
        { provide: OutboxRelay, useValue: relay },
        { provide: PublishedEntries, useValue: entries },
        { provide: DirectoryCaches, useValue: caches },
        { provide: DirectoryStore, useClass: PostgresDirectoryStore },
        ChangeDirectory,
      ],
      exports: [DirectoryStore, PublishedEntries, ChangeDirectory],
    };
  }
}
