import { createRemoteJWKSet, jwtVerify, type JWTPayload } from 'jose';

/** Where receipts come from, and whose they must be. */
export interface ReceiptRules {
  /** Address of the REST adapter. */
  readonly countersign: string;
  /** `iss` of the installation: its RECEIPT_ISSUER, else its PUBLIC_URL. */
  readonly issuer: string;
  readonly tenant: string;
  /** The agent whose verifications count: another agent of the tenant may verify by weaker rules. */
  readonly agent: string;
  /** API key of an agent of the tenant: only to spend receipts. */
  readonly apiKey: string;
}

/** Checks receipts of Countersign: by itself for what may be read, by asking for what must happen once. */
export class CheckReceipt {
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;

  constructor(private readonly rules: ReceiptRules) {
    this.#keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', rules.countersign));
  }

  /**
   * Without a call to anybody but for the public keys, now and then: signature, issuer, tenant, agent, time, level and call.
   * @returns the customer; undefined for whatever is not good
   */
  async offline(receipt: string, callId: string): Promise<string | undefined> {
    let claims: JWTPayload;
    try {
      const { issuer, tenant } = this.rules;
      const required = ['sub', 'call_id', 'exp', 'jti'];
      const options = { issuer, audience: tenant, algorithms: ['EdDSA'], requiredClaims: required };
      claims = (await jwtVerify(receipt, this.#keys, options)).payload;
    } catch {
      return undefined;
    }
    // A receipt of another call is somebody else's voice; knowledge alone reaches `identified`, which moves no money.
    const isOurs = claims['agent'] === this.rules.agent && claims['call_id'] === callId;
    return isOurs && claims['level'] === 'verified' ? claims.sub : undefined;
  }

  /** The same, and spends the receipt, so that the next one who shows it is refused. */
  async once(receipt: string, callId: string): Promise<string | undefined> {
    const customer = await this.offline(receipt, callId);
    if (customer === undefined) return undefined;
    const response = await fetch(new URL('/v1/receipts/introspect', this.rules.countersign), {
      method: 'POST',
      headers: { authorization: `Bearer ${this.rules.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ receipt, callId, consume: true }),
      signal: AbortSignal.timeout(5000),
    });
    const answer = response.ok ? ((await response.json()) as { active?: unknown; sub?: unknown }) : {};
    return answer.active === true && answer.sub === customer ? customer : undefined;
  }
}
