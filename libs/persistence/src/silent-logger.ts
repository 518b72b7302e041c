import { type Logger } from 'typeorm';

/** TypeORM prints failed migrations to the console regardless of `logging`; our faults contain what is safe to log. */
export const SILENT_LOGGER: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};
