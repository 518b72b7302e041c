import { randomBytes } from 'node:crypto';
import { createApiKey, sha256 } from '@countersign/crypto';

/** Shown to the administrator once. Otherwise only the hashes leave this process. */
export interface AgentSecrets {
  readonly password: string;
  readonly apiKey: string;
  readonly passwordHash: string;
  readonly apiKeyHash: string;
}

/** New secrets of 256 random bits each. */
export function createAgentSecrets(): AgentSecrets {
  const password = randomBytes(32).toString('base64url');
  const apiKey = createApiKey();
  return { password, apiKey, passwordHash: sha256(password), apiKeyHash: sha256(apiKey) };
}
