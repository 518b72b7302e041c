import { type Logger } from 'typeorm';

/** TypeORM prints failed migrations to the console whatever `logging` says; our faults carry what may be told. */
export const SILENT_LOGGER: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};
