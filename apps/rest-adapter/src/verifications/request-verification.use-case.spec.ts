import { expect, it } from '@jest/globals';
import { type AgentPublished } from '@countersign/contracts';
import { type ReceivedAttempt, type VerificationClient } from '@countersign/verification-client';
import { RequestVerification } from './request-verification.use-case.js';

it('the same Idempotency-Key of agents with the same id in two tenants, one after the other, names two commands', async () => {
  const digests: (string | undefined)[] = [];
  const client: Pick<VerificationClient, 'decide'> = {
    decide: (_agent, { command }: ReceivedAttempt) => {
      digests.push(command.digest);
      return Promise.reject(new Error('not decided in a test'));
    },
  };
  const verification = new RequestVerification(client as VerificationClient);
  for (const tenant of ['acme', 'umbrella', 'acme']) {
    const agent = { tenant, agent: 'desk' } as AgentPublished;
    const attempt = {
      ...{ subject: { kind: 'id' as const, id: 'c-1' }, callId: undefined },
      submitted: { method: 'pin' as const, pin: '4821' },
    };
    await expect(verification.execute(agent, attempt, 'order-7')).rejects.toThrow();
  }
  expect(digests[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(digests[1]).not.toBe(digests[0]);
  expect(digests[2]).toBe(digests[0]);
});
