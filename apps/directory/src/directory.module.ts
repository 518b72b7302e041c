import { Module, type DynamicModule } from '@nestjs/common';
import { Database, OutboxRelay } from '@countersign/persistence';
import { AgentsModule } from './agents/agents.module.js';
import { ChangeDirectory } from './change-directory.use-case.js';
import { DirectoryCaches, DirectoryStore } from './directory.ports.js';
import { PostgresDirectoryStore } from './directory.store.js';
import { BasePolicies, PublishedEntries } from './policies/published-entries.js';
import { TenantsModule } from './tenants/tenants.module.js';

/** What start.ts opens. */
export interface DirectoryResources {
  readonly database: Database;
  readonly relay: OutboxRelay;
  readonly basePolicies: BasePolicies;
  readonly caches: DirectoryCaches;
}

/** Composes the features. What they share is global. */
@Module({ imports: [TenantsModule, AgentsModule] })
export class DirectoryModule {
  static with({ database, relay, basePolicies, caches }: DirectoryResources): DynamicModule {
    return {
      module: DirectoryModule,
      global: true,
      providers: [
        { provide: Database, useValue: database },
        { provide: OutboxRelay, useValue: relay },
        { provide: BasePolicies, useValue: basePolicies },
        { provide: DirectoryCaches, useValue: caches },
        { provide: DirectoryStore, useClass: PostgresDirectoryStore },
        PublishedEntries,
        ChangeDirectory,
      ],
      exports: [DirectoryStore, PublishedEntries, ChangeDirectory],
    };
  }
}
