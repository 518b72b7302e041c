import { availableParallelism } from 'node:os';

const base = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest'] },
  moduleNameMapper: {
    // Its ES module build imports JSON in a way that jest warns about once per file.
    '^libphonenumber-js/max$': '<rootDir>/node_modules/libphonenumber-js/max/index.cjs',
    '^@countersign/(.*)$': '<rootDir>/libs/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/build/', '<rootDir>/data/', '<rootDir>/.cache/'],
  setupFiles: ['<rootDir>/tools/jest/end-async-storages.mjs', '<rootDir>/test/setup.mjs'],
};
const withServers = {
  ...base,
  globalSetup: '<rootDir>/tools/jest/start-servers.mjs',
  globalTeardown: '<rootDir>/tools/jest/stop-servers.mjs',
};

/** Files that load the machine, or measure the product under load: they run one at a time, when nothing else runs. */
const UNDER_LOAD = [
  'test/invariants/(faults|floods|guesses|kill)',
  'test/e2e/metrics',
  'libs/messaging/src/kafka/kafka-failover',
].map((path) => `/${path}\\.(int|e2e)-spec\\.ts$`);

export default {
  // Milliseconds for one test that names no other limit: several files share the processors.
  testTimeout: 40_000,
  // Tests wait for processes and servers much of the time. Each has a database and topics of its own.
  maxWorkers: Math.min(availableParallelism(), 6),
  testSequencer: '<rootDir>/tools/jest/long-files-first.mjs',
  reporters: ['default', '<rootDir>/tools/jest/report-counts.mjs'],
  // A connection to a broker that a test has killed may remain; it must not keep the run from ending.
  forceExit: true,
  projects: [
    { ...base, displayName: 'unit', testMatch: ['**/*.spec.ts'] },
    {
      ...withServers,
      displayName: 'int',
      testRegex: '\\.int-spec\\.ts$',
      testPathIgnorePatterns: ['/node_modules/', ...UNDER_LOAD],
    },
    {
      ...withServers,
      displayName: 'e2e',
      testRegex: '\\.e2e-spec\\.ts$',
      testPathIgnorePatterns: ['/node_modules/', ...UNDER_LOAD],
    },
    { ...withServers, displayName: 'load', testRegex: UNDER_LOAD, runner: '<rootDir>/tools/jest/one-at-a-time.mjs' },
  ],
};
