import { randomUUID } from 'node:crypto';
import { CommandAnswered, entityTagOf, message, TenantChangeRequested } from '@countersign/contracts';
import { ManualClock, TEST_ACTOR } from '@countersign/testing';
import { FakeDirectoryStore } from '../test/directory.fake.js';
import { useCasesOn } from '../test/use-cases.js';

function open() {
  const store = new FakeDirectoryStore(new ManualClock());
  return { store, ...useCasesOn(store) };
}

const tagOf = async (answer: Promise<CommandAnswered>): Promise<string> => entityTagOf((await answer).body ?? {});

describe('a change with preconditions', () => {
  it('is made only while the tenant has one of the entity tags that it names', async () => {
    const { setTenant, readTenant, store } = open();
    const first = await tagOf(setTenant('acme'));
    expect(await tagOf(readTenant('acme'))).toBe(first);
    const second = await tagOf(setTenant('acme', { name: 'Acme', preconditions: { ifMatch: [first] } }));
    expect(await tagOf(readTenant('acme'))).toBe(second);
    const facts = store.facts.length;
    const refused = await setTenant('acme', { name: 'Other', preconditions: { ifMatch: [first] } });
    expect(refused).toEqual(message(CommandAnswered, { commandId: refused.commandId, answer: 'precondition_failed' }));
    expect((await readTenant('acme')).body).toMatchObject({ name: 'Acme' });
    expect(store.facts).toHaveLength(facts);
    expect((await setTenant('acme', { name: 'Other', preconditions: { ifMatch: [first, second] } })).answer).toBe(
      'updated',
    );
    expect((await setTenant('acme', { name: 'Third', preconditions: { ifMatch: ['*'] } })).answer).toBe('updated');
  });

  it('is made only while the agent has the entity tag, also when it deletes the agent', async () => {
    const { setTenant, createAgent, changeAgent, deleteAgent } = open();
    await setTenant('acme');
    const first = { ifMatch: [await tagOf(createAgent('acme', 'desk'))] };
    const change = { mode: 'merge', name: 'Desk', preconditions: first } as const;
    const second = { ifMatch: [await tagOf(changeAgent('acme', 'desk', change))] };
    expect((await changeAgent('acme', 'desk', change)).answer).toBe('precondition_failed');
    expect((await deleteAgent('acme', 'desk', { preconditions: first })).answer).toBe('precondition_failed');
    expect((await changeAgent('acme', 'missing', change)).answer).toBe('not_found');
    expect((await deleteAgent('acme', 'desk', { preconditions: second })).answer).toBe('updated');
  });

  it('creates a tenant only if there is none, when it names all tags in the negative', async () => {
    const { setTenant, readTenant } = open();
    expect((await setTenant('acme', { preconditions: { ifMatch: ['*'] } })).answer).toBe('precondition_failed');
    expect((await readTenant('acme')).answer).toBe('not_found');
    expect((await setTenant('acme', { preconditions: { ifNoneMatch: ['*'] } })).answer).toBe('created');
    expect((await setTenant('acme', { name: 'Other', preconditions: { ifNoneMatch: ['*'] } })).answer).toBe(
      'precondition_failed',
    );
    expect((await readTenant('acme')).body).toMatchObject({ name: 'acme' });
  });

  it('is compared again when it is delivered again after it was refused', async () => {
    const { tenants, setTenant, readTenant } = open();
    await setTenant('acme');
    const preconditions = { ifMatch: [entityTagOf({ name: 'other' })] };
    const ids = { commandId: randomUUID(), actor: TEST_ACTOR, tenant: 'acme', mode: 'set', name: 'Other' } as const;
    const command = message(TenantChangeRequested, { ...ids, preconditions });
    expect((await tenants.change(command)).answer).toBe('precondition_failed');
    expect((await tenants.change(command)).answer).toBe('precondition_failed');
    expect((await readTenant('acme')).body).toMatchObject({ name: 'acme' });
  });
});
