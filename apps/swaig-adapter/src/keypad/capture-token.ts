import { randomUUID } from 'node:crypto';
import { type AgentPublished } from '@countersign/contracts';
import { type KeyedHash, type Keyring, constantTimeEquals, sha256 } from '@countersign/crypto';
import { type Identified } from '@countersign/verification-client';
import { type Caller } from '../functions/caller.js';

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
  readonly command: Identified['command'];
}

type Claims = readonly [
  tenant: string,
  agent: string,
  caller: Omit<Caller, 'subject' | 'caller'>,
  expiresAt: number,
  nonce: string,
  keyId: string,
  identity: string,
];

/**
 * Tokens in the address to which the platform posts the keys that a caller pressed. They hold no telephone number and no
 * secret in clear: a call id, a time, who calls under encryption, and a signature. Only the adapters have the key of both.
 */
export class CaptureTokens {
  readonly #ring: Keyring;

  /** @param key keyed with the setting CAPTURE_TOKEN_KEY, which has no other use */
  constructor(private readonly key: KeyedHash) {
    this.#ring = key.keyring('capture');
  }

  issue({ tenant, agent }: AgentPublished, { subject, caller, ...rest }: Caller, now: number): string {
    const nonce = randomUUID();
    const { keyId, bytes } = this.#ring.wrap(JSON.stringify({ subject, caller }), [tenant, agent, nonce]);
    const claims: Claims = [tenant, agent, rest, now + CAPTURE_MS, nonce, keyId, bytes.toString('base64url')];
    const content = Buffer.from(JSON.stringify(claims)).toString('base64url');
    return `${content}.${this.#sign(content)}`;
  }

  /** Undefined for a token that was not issued here or whose time is over. */
  open(token: string, now: number): Capture | undefined {
    const [content = '', signature = ''] = token.split('.');
    if (!this.#isSigned(content, signature) || token !== `${content}.${signature}`) return undefined;
    const claims = JSON.parse(Buffer.from(content, 'base64url').toString()) as Claims;
    const [tenant, agent, rest, expiresAt, nonce, keyId, bytes] = claims;
    if (now >= expiresAt) return undefined;
    const identity = this.#ring.unwrap({ keyId, bytes: Buffer.from(bytes, 'base64url') }, [tenant, agent, nonce]);
    const caller = { ...rest, ...(JSON.parse(identity) as Pick<Caller, 'subject' | 'caller'>) };
    return { tenant, agent, caller, expiresAt, command: { prefix: 'capture', digest: sha256(token) } };
  }

  /** Under any of the keys: a token lives on while the key is rotated. */
  #isSigned(content: string, signature: string): boolean {
    return this.key.hashes('token', content).filter((expected) => constantTimeEquals(signature, expected)).length > 0;
  }

  #sign(content: string): string {
    return this.key.hash('token', content);
  }
}
