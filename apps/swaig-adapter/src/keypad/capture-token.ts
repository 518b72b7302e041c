import { randomUUID } from 'node:crypto';
import { type AgentPublished } from '@countersign/contracts';
import { type KeyedHash, type Keyring, constantTimeEquals, sha256 } from '@countersign/crypto';
import { type Caller } from '../functions/caller.js';

/** How long a token is valid after it was issued, in milliseconds. */
export const CAPTURE_TOKEN_LIFETIME_MS = 5 * 60_000;

/** What a token permits: one attempt of one caller in one call of one agent. */
export interface CaptureClaims {
  readonly tenant: string;
  readonly agent: string;
  /** Of the agent, as the directory published it: another agent may be created under the id. */
  readonly agentCreatedAt: string;
  readonly caller: Caller;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** Digest of the token. Verification decides a command once, so this adapter needs no list of used tokens. */
  readonly digest: string;
}

type TokenClaims = readonly [
  tenant: string,
  agent: string,
  caller: Omit<Caller, 'subject' | 'caller'>,
  expiresAt: number,
  nonce: string,
  keyId: string,
  identity: string,
  agentCreatedAt: string,
];

/**
 * Issues and checks the tokens in the addresses to which the platform posts keypad entries. A token holds a call id, an
 * expiry time, the encrypted identity of the caller and a signature. It holds no telephone number and no secret in clear.
 * Only the adapters have the key that encrypts and signs.
 */
export class CaptureTokens {
  readonly #ring: Keyring;

  /** @param key the hash keyed with the setting CAPTURE_TOKEN_KEY, which has no other use */
  constructor(private readonly key: KeyedHash) {
    this.#ring = key.keyring('capture');
  }

  issue({ tenant, agent, createdAt = '' }: AgentPublished, { subject, caller, ...rest }: Caller, now: number): string {
    const nonce = randomUUID();
    const { keyId, bytes } = this.#ring.wrap(JSON.stringify({ subject, caller }), [tenant, agent, nonce]);
    const claims: TokenClaims = [
      tenant,
      agent,
      rest,
      now + CAPTURE_TOKEN_LIFETIME_MS,
      nonce,
      keyId,
      bytes.toString('base64url'),
      createdAt,
    ];
    const content = Buffer.from(JSON.stringify(claims)).toString('base64url');
    return `${content}.${this.#sign(content)}`;
  }

  /** Returns undefined for a forged or expired token. */
  open(token: string, now: number): CaptureClaims | undefined {
    const [content = '', signature = ''] = token.split('.');
    if (!this.#isSigned(content, signature) || token !== `${content}.${signature}`) return undefined;
    const claims = JSON.parse(Buffer.from(content, 'base64url').toString()) as TokenClaims;
    const [tenant, agent, rest, expiresAt, nonce, keyId, bytes, agentCreatedAt] = claims;
    if (now >= expiresAt) return undefined;
    const identity = this.#ring.unwrap({ keyId, bytes: Buffer.from(bytes, 'base64url') }, [tenant, agent, nonce]);
    const caller = { ...rest, ...(JSON.parse(identity) as Pick<Caller, 'subject' | 'caller'>) };
    return { tenant, agent, agentCreatedAt, caller, expiresAt, digest: sha256(token) };
  }

  /** Accepts a signature with any of the configured keys, so tokens stay valid while the key is rotated. */
  #isSigned(content: string, signature: string): boolean {
    return this.key.hashes('token', content).filter((expected) => constantTimeEquals(signature, expected)).length > 0;
  }

  #sign(content: string): string {
    return this.key.hash('token', content);
  }
}
