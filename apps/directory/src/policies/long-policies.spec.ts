import { type AgentRecord, type TenantRecord } from '../directory.ports.js';
import { InvalidChange, PublishedEntries } from './published-entries.js';

const entries = new PublishedEntries({ policy: {}, mayLoosen: [] }, () => undefined);
const createdAt = new Date('2026-01-01T00:00:00Z');
const policyOf = (bytes: number) => ({ texts: { en: { verified: 'x'.repeat(bytes) } } });
const tenantOf = (bytes: number): TenantRecord => ({
  ...{
    tenant: 'acme',
    name: 'Acme',
    policy: policyOf(bytes),
    createdAt,
    disabledAt: null,
    deletion: null,
  },
});
const agentsOf = (count: number, bytes = 0): AgentRecord[] =>
  Array.from({ length: count }, (_, at) => ({
    ...{ tenant: 'acme', agent: `agent-${at}`, name: '', policy: policyOf(bytes), passwords: [], apiKeys: [] },
    ...{ createdAt, disabledAt: null },
  }));

describe('the policies of all agents of a tenant', () => {
  it('have at most 8 MiB together, with what they inherit', () => {
    const tenant = tenantOf(0);
    const refuse = (count: number, bytes: number): (() => void) => {
      const before = { tenant, agents: agentsOf(count - 1, bytes) };
      return () => entries.refuseLongPolicies({ tenant, agents: agentsOf(count, bytes) }, before);
    };
    expect(refuse(1000, 1_000)).not.toThrow();
    expect(refuse(1000, 9_000)).toThrow(InvalidChange);
    expect(() =>
      entries.refuseLongPolicies(
        { tenant: tenantOf(9_000), agents: agentsOf(1000) },
        { tenant, agents: agentsOf(1000) },
      ),
    ).toThrow(InvalidChange);
  });

  it('may be made shorter while they have more', () => {
    const [before, after] = [agentsOf(1000, 10_000), agentsOf(999, 10_000)];
    const tenant = tenantOf(0);
    expect(() => entries.refuseLongPolicies({ tenant, agents: after }, { tenant, agents: before })).not.toThrow();
  });
});
