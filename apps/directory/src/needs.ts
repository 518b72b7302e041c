import { CLOCK, DEAD_LETTERS, TOPICS } from '@countersign/contracts';
import { type ServiceNeeds } from '@countersign/hosting';
import { parseSetting } from '@countersign/runtime';
import { DIRECTORY_MIGRATIONS } from '../migrations/index.js';
import { DirectorySettings, readInstallationPolicy } from './directory.settings.js';
import { type InstallationPolicy } from './policies/published-entries.js';

/** @throws ServiceError SETTINGS_INVALID */
export const readPolicyFile = ({ POLICY_FILE }: DirectorySettings): Promise<InstallationPolicy> =>
  parseSetting('POLICY_FILE', () => readInstallationPolicy(POLICY_FILE));

/** What the directory needs before it can work. */
export const NEEDS = {
  name: 'directory',
  settings: DirectorySettings,
  bus: {
    consumes: { directory: [TOPICS.directoryCommands, TOPICS.apiKeyUses, TOPICS.tenantErasures] },
    follows: [TOPICS.directoryCaches],
    writes: [TOPICS.directory, TOPICS.facts, DEAD_LETTERS, CLOCK],
    replies: 'sends',
  },
  store: { schema: 'directory', migrations: DIRECTORY_MIGRATIONS, prefersIndexes: true },
  readKeys: async (settings) => {
    await readPolicyFile(settings);
    return {};
  },
} as const satisfies ServiceNeeds<DirectorySettings>;
