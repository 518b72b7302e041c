import { randomUUID } from 'node:crypto';
import { type AgentPublished } from '@countersign/contracts';
import { type KeyedHash, sameText, sha256 } from '@countersign/sealing';
import { type Caller } from './caller.js';

/** How long a caller may take to key a PIN in, in milliseconds. */
export const CAPTURE_MS = 5 * 60_000;

/** What a keypad entry is for: one try of one caller in one call of one agent. */
export interface Capture {
  readonly tenant: string;
  readonly agent: string;
  readonly caller: Caller;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** The same for every use of the token: the services decide it once, so that nobody has to remember used ones. */
  readonly commandId: string;
}

type Claims = readonly [tenant: string, agent: string, caller: Caller, expiresAt: number, nonce: string];

/**
 * Tokens in the address to which the platform posts the keys that a caller pressed. They hold no telephone number and no
 * secret: hashes, a call id, a time, and a signature under a key that only the adapters have.
 */
export class CaptureTokens {
  /** @param key keyed with the setting CAPTURE_TOKEN_KEY, which has no other use */
  constructor(private readonly key: KeyedHash) {}

  issue({ tenant, agent }: AgentPublished, caller: Caller, now: number): string {
    const claims: Claims = [tenant, agent, caller, now + CAPTURE_MS, randomUUID()];
    const content = Buffer.from(JSON.stringify(claims)).toString('base64url');
    return `${content}.${this.#sign(content)}`;
  }

  /** Undefined for a token that was not issued here or whose time is over. */
  open(token: string, now: number): Capture | undefined {
    const [content = '', signature = ''] = token.split('.');
    if (!this.#isSigned(content, signature) || token !== `${content}.${signature}`) return undefined;
    const [tenant, agent, caller, expiresAt] = JSON.parse(Buffer.from(content, 'base64url').toString()) as Claims;
    if (now >= expiresAt) return undefined;
    return { tenant, agent, caller, expiresAt, commandId: `capture-${sha256(token)}` };
  }

  /** Under any of the keys: a token lives on while the key is rotated. */
  #isSigned(content: string, signature: string): boolean {
    return this.key.hashes('token', content).filter((expected) => sameText(signature, expected)).length > 0;
  }

  #sign(content: string): string {
    return this.key.hash('token', content);
  }
}
