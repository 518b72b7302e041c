import { describe, expect, it } from '@jest/globals';
import { rightsOf } from '../apps/cli/src/doctor/broker-checks.js';
import { SERVICES } from '../apps/cli/src/doctor/installation.js';
import { documentedRights } from './rights.js';

describe('what a service needs on Kafka', () => {
  it.each(SERVICES.map((needs) => [needs.name, needs] as const))(
    'is for %s what the table of rights in docs/security.md lists',
    (name, needs) => {
      const listed = documentedRights('')
        .filter(({ user, operation }) => user === name && ['READ', 'WRITE'].includes(operation))
        .map(({ resource, name: on, operation }) => `${resource} ${on} ${operation}`);
      const checked = rightsOf(needs).flatMap(({ resource, name: on, operation }) => {
        const prefix = on.replace(/doctor$/, '*');
        if (operation !== 'ANY') return [`${resource} ${prefix} ${operation}`];
        return needs.bus.replies === 'receives'
          ? [`${resource} ${prefix} READ`, `${resource} ${prefix} WRITE`]
          : [`${resource} ${prefix} WRITE`];
      });
      expect(checked.sort()).toEqual([...new Set(listed)].sort());
    },
  );
});
