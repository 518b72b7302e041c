import { type QueryResult } from 'pg';
import { type DataSource, type EntityManager } from 'typeorm';

/** The part of a connection of `pg` that TypeORM's query runner uses. */
export interface LentConnection {
  query(text: string, values?: unknown[]): Promise<QueryResult>;
}

/**
 * An entity manager on a connection that is checked out already and is in a transaction. Its query runner has a connection,
 * so it takes none from the pool, and begins no transaction of its own.
 */
export function entityManagerOn(dataSource: DataSource, connection: LentConnection): EntityManager {
  const runner = dataSource.createQueryRunner();
  Object.assign(runner, { databaseConnection: connection, isTransactionActive: true });
  return runner.manager;
}
