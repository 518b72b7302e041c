import fc from 'fast-check';
import {
  AgentPublished,
  DEFAULT_POLICY,
  entityTagOf,
  FUNCTIONS,
  POLICY_LEVELS,
  TenantPublished,
  type Actor,
  type PolicyLevel,
} from '@countersign/contracts';
import { ManualClock } from '@countersign/testing';
import { FakeDirectoryStore } from '../../test/directory.fake.js';
import { useCasesOn } from '../../test/use-cases.js';
import { type InstallationPolicy } from './published-entries.js';

const KEY: Actor = { kind: 'key', id: 'k-1', sourceAddress: '192.0.2.8' };

/** The use cases for the administrator and for an API key of the tenant `acme`, which has the agent `desk`. */
async function open(installation: InstallationPolicy = { policy: {}, mayLoosen: [] }) {
  const store = new FakeDirectoryStore(new ManualClock());
  const administrator = useCasesOn(store, { installation });
  await administrator.setTenant('acme');
  await administrator.createAgent('acme', 'desk');
  return { store, administrator, key: useCasesOn(store, { installation, actor: KEY }) };
}

describe('the policy of a tenant or an agent', () => {
  it('is shown with the level that each value comes from', async () => {
    const { administrator } = await open({ policy: { verifiedSeconds: 600, greetByName: false }, mayLoosen: [] });
    await administrator.changePolicy('acme', {
      mode: 'set',
      policy: { attempts: { perWindow: 2 }, greetByName: true },
    });
    const agentPolicy = { attempts: { lockSeconds: 1800 }, knowledge: { waiver: null }, unlocksFunctions: ['pay'] };
    await administrator.changePolicy('acme', {
      agent: 'desk',
      mode: 'merge',
      policy: { ...agentPolicy, greetByName: null },
    });
    expect((await administrator.readPolicy('acme')).body).toMatchObject({
      tenant: 'acme',
      policy: { attempts: { perWindow: 2, lockSeconds: 900 }, verifiedSeconds: 600, greetByName: true },
      sources: {
        attempts: { perWindow: 'tenant', windowSeconds: 'default', lockSeconds: 'default', maxLockSeconds: 'default' },
        ...{ verifiedSeconds: 'instance', greetByName: 'tenant', functions: 'default', defaultCountry: 'default' },
      },
    });
    const { answer, body = {} } = await administrator.readPolicy('acme', 'desk');
    expect([answer, body]).toMatchObject([
      'found',
      {
        ...{ tenant: 'acme', agent: 'desk' },
        policy: {
          attempts: { perWindow: 2, lockSeconds: 1800 },
          unlocksFunctions: { identified: [], verified: ['pay'] },
        },
        sources: {
          attempts: { perWindow: 'tenant', lockSeconds: 'agent' },
          unlocksFunctions: { identified: 'default', verified: 'agent' },
        },
      },
    ]);
    expect(body).not.toHaveProperty('violations');
    expect((await administrator.readPolicy('acme', 'missing')).answer).toBe('not_found');
    expect((await administrator.readPolicy('missing')).answer).toBe('not_found');
  });

  it('is the answer to its change, with the entity tag that the next change can name', async () => {
    const { administrator } = await open();
    for (const agent of [undefined, 'desk']) {
      const target = agent === undefined ? {} : { agent };
      const change = (policy: Record<string, unknown>, ifMatch: string[]) =>
        administrator.changePolicy('acme', { ...target, mode: 'set', policy, preconditions: { ifMatch } });
      const before = entityTagOf((await administrator.readPolicy('acme', agent)).body ?? {});
      const changed = await change({ verifiedSeconds: 60 }, [before]);
      expect(changed).toMatchObject({ answer: 'updated', body: { policy: { verifiedSeconds: 60 } } });
      expect((await administrator.readPolicy('acme', agent)).body).toEqual(changed.body);
      expect((await change({ verifiedSeconds: 70 }, [before])).answer).toBe('precondition_failed');
    }
    // The policy of an agent contains what it inherits, so it changes with the policy of its tenant.
    const inherited = entityTagOf((await administrator.readPolicy('acme', 'desk')).body ?? {});
    await administrator.changePolicy('acme', { mode: 'set', policy: { greetByName: false } });
    const preconditions = { ifMatch: [inherited] };
    expect(
      (await administrator.changePolicy('acme', { agent: 'desk', mode: 'set', policy: {}, preconditions })).answer,
    ).toBe('precondition_failed');
    expect((await administrator.changePolicy('missing', { mode: 'set', policy: {} })).answer).toBe('not_found');
  });

  it('is shown with the rules that it breaks when it has become invalid', async () => {
    const transfers: Record<string, string> = { support: 'sip:support@example.com' };
    const installation: { policy: Record<string, unknown>; mayLoosen: [] } = { policy: { transfers }, mayLoosen: [] };
    const { administrator } = await open(installation);
    await administrator.changePolicy('acme', { agent: 'desk', mode: 'set', policy: { escalation: 'support' } });
    installation.policy = {};
    expect((await administrator.readPolicy('acme', 'desk')).body).toMatchObject({
      policy: { escalation: 'support' },
      violations: [{ field: 'policy.escalation', rule: 'must name one of the transfers' }],
    });
  });

  it('has for every value exactly the highest level that sets it, and equals the policy that the services use', async () => {
    const limit = fc.record({ limit: fc.integer({ min: 1, max: 99 }), shadow: fc.boolean() }, { requiredKeys: [] });
    const layer = fc.record(
      {
        attempts: fc.record(
          { perWindow: fc.integer({ min: 1, max: 9 }), lockSeconds: fc.integer({ min: 1, max: 999 }) },
          { requiredKeys: [] },
        ),
        limits: fc.record({ caller: limit, tenant: limit }, { requiredKeys: [] }),
        functions: fc.uniqueArray(fc.constantFrom(...FUNCTIONS)),
        unlocksFunctions: fc.oneof(fc.constant(['pay']), fc.record({ identified: fc.constant(['hours']) })),
        knowledge: fc.record({
          waiver: fc.option(
            fc.record({
              owner: fc.constantFrom('Ada', 'Bob'),
              reason: fc.constant('x'),
              expires: fc.constant('2027-01-31'),
            }),
          ),
        }),
        transfers: fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom('sip:a@example.com', 'sip:b@example.com')),
        texts: fc.dictionary(
          fc.constantFrom('en', 'es'),
          fc.record({ verified: fc.constant('x') }, { requiredKeys: [] }),
        ),
        greetByName: fc.boolean(),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(layer, layer, layer, async (instance, tenant, agent) => {
        const { administrator, store } = await open({ policy: instance, mayLoosen: [] });
        await administrator.changePolicy('acme', { mode: 'set', policy: tenant });
        await administrator.changePolicy('acme', { agent: 'desk', mode: 'set', policy: agent });
        const published = [TenantPublished, AgentPublished].map((type) =>
          store.published.findLast((entry) => entry instanceof type),
        );
        const shown = [await administrator.readPolicy('acme'), await administrator.readPolicy('acme', 'desk')];
        const layers = { default: DEFAULT_POLICY, instance, tenant, agent };
        for (const [index, { body = {} }] of shown.entries()) {
          expect(body['policy']).toEqual(JSON.parse(JSON.stringify((published[index] as TenantPublished).policy)));
          const levels = index === 0 ? POLICY_LEVELS.slice(0, 3) : POLICY_LEVELS;
          for (const [path, level] of leavesOf(body['sources'])) {
            const setting = levels.filter((one) => valueAt(layers[one], path) !== undefined);
            expect([path, level]).toEqual([path, setting.at(-1)]);
            expect(valueAt(body['policy'], path)).toEqual(valueAt(layers[level as PolicyLevel], path));
          }
          expect(leavesOf(body['sources']).map(([path]) => path)).toEqual(
            leavesOf(body['policy']).map(([path]) => path),
          );
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('a key of a tenant', () => {
  const looser = { attempts: { perWindow: 4 }, limits: { call: { limit: 11 } }, verifiedSeconds: 901 };

  it('may tighten what the tenant inherits, and loosen only what the installation allows', async () => {
    const { key } = await open({ policy: {}, mayLoosen: ['attempts'] });
    const fieldsOf = async (answer: ReturnType<typeof key.changePolicy>) => {
      const { answer: given, violations = [] } = await answer;
      return [given, violations.map(({ field }) => field)];
    };
    const refused = ['invalid', ['policy.verifiedSeconds', 'policy.limits.call.limit', 'policy.limits.call.burst']];
    expect(await fieldsOf(key.changePolicy('acme', { mode: 'set', policy: looser }))).toEqual(refused);
    expect(await fieldsOf(key.changePolicy('acme', { agent: 'desk', mode: 'set', policy: looser }))).toEqual(refused);
    expect(await fieldsOf(key.createAgent('acme', 'help', looser))).toEqual(refused);
    expect(await fieldsOf(key.setTenant('acme', { policy: looser }))).toEqual(refused);
    const allowed = { attempts: { perWindow: 4 }, limits: { call: { limit: 9 } }, verifiedSeconds: 899 };
    expect(await fieldsOf(key.changePolicy('acme', { mode: 'set', policy: allowed }))).toEqual(['updated', []]);
    // An agent inherits the stricter values of its tenant.
    const agentPolicy = { ...allowed, verifiedSeconds: 900 };
    expect(await fieldsOf(key.changePolicy('acme', { agent: 'desk', mode: 'set', policy: agentPolicy }))).toEqual([
      ...['invalid', ['policy.verifiedSeconds']],
    ]);
  });

  it('may change other fields of a policy that the administrator has loosened, and tighten it in steps', async () => {
    const { administrator, key } = await open();
    expect((await administrator.changePolicy('acme', { mode: 'set', policy: looser })).answer).toBe('updated');
    const change = async (policy: Record<string, unknown>) =>
      (await key.changePolicy('acme', { mode: 'merge', policy })).answer;
    expect(await change({ greetByName: false })).toBe('updated');
    expect(await change({ verifiedSeconds: 902 })).toBe('invalid');
    expect(await change({ verifiedSeconds: 900, attempts: null })).toBe('updated');
    expect(await change({ attempts: { perWindow: 4 } })).toBe('invalid');
  });
});

type Leaf = readonly [path: string, value: unknown];

/** The values of a tree that are not objects, by their sorted paths. */
function leavesOf(tree: unknown, path = ''): Leaf[] {
  if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) return [[path, tree]];
  const leaves = Object.entries(tree).flatMap(([key, value]) => leavesOf(value, `${path}/${key}`));
  return leaves.sort(([a], [b]) => (a < b ? -1 : 1));
}

function valueAt(tree: unknown, path: string): unknown {
  const [, ...keys] = path.split('/');
  return keys.reduce<unknown>((value, key) => {
    if (Array.isArray(value)) return key === 'verified' ? value : undefined;
    return (value as Record<string, unknown> | null | undefined)?.[key];
  }, tree);
}
