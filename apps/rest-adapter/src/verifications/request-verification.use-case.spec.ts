import { expect, it } from '@jest/globals';
import { type AgentPublished } from '@countersign/contracts';
import { type ReceivedAttempt, type VerificationClient } from '@countersign/verification-client';
import { RequestVerification } from './request-verification.use-case.js';

it('names another command for the same Idempotency-Key of an agent with the same id in another tenant, or created at another time', async () => {
  const digests: (string | undefined)[] = [];
  const client: Pick<VerificationClient, 'decide'> = {
    decide: (_agent, { command }: ReceivedAttempt) => {
      digests.push(command.digest);
      return Promise.reject(new Error('not decided in a test'));
    },
  };
  const verification = new RequestVerification(client as VerificationClient);
  const first = { tenant: 'acme', agent: 'desk', createdAt: '2026-11-27T12:00:00.000Z' };
  for (const more of [{}, { tenant: 'umbrella' }, { createdAt: '2026-11-27T12:00:00.001Z' }, {}]) {
    const attempt = {
      ...{ subject: { kind: 'id' as const, id: 'c-1' }, callId: undefined },
      submitted: { method: 'pin' as const, pin: '4821' },
    };
    await expect(verification.execute({ ...first, ...more } as AgentPublished, attempt, 'order-7')).rejects.toThrow();
  }
  expect(digests[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(digests).size).toBe(3);
  expect(digests[3]).toBe(digests[0]);
});
