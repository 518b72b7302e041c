import { Module, type DynamicModule } from '@nestjs/common';
import { type Database, type OutboxRelay } from '@countersign/persistence';
import { ManageOperatorSessions } from './manage-operator-sessions.use-case.js';
import { OperatorSessionsHandler } from './operator-sessions.handler.js';
import { OperatorSessionStore } from './operator-sessions.ports.js';
import { PostgresOperatorSessions } from './operator-sessions.store.js';

@Module({})
export class OperatorSessionsModule {
  static with(database: Database, relay: OutboxRelay): DynamicModule {
    return {
      module: OperatorSessionsModule,
      controllers: [OperatorSessionsHandler],
      providers: [
        ManageOperatorSessions,
        { provide: OperatorSessionStore, useFactory: () => new PostgresOperatorSessions(database, relay) },
      ],
      exports: [OperatorSessionStore],
    };
  }
}
