import { createRemoteJWKSet, jwtVerify, type JWTPayload } from 'jose';

/** The issuer of receipts, and the tenant and agent that they must name. */
export interface ReceiptRules {
  /** Address of the REST adapter. */
  readonly countersign: string;
  /** `iss` of the installation: its RECEIPT_ISSUER, else its PUBLIC_URL. */
  readonly issuer: string;
  readonly tenant: string;
  /** The agent of accepted verifications. Another agent of the tenant may verify by weaker rules. */
  readonly agent: string;
  /** API key of an agent of the tenant, used only to consume receipts. */
  readonly apiKey: string;
}

/** Checks receipts of Countersign: locally for reads, at Countersign for actions that may happen once. */
export class CheckReceipt {
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;

  constructor(private readonly rules: ReceiptRules) {
    this.#keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', rules.countersign));
  }

  /**
   * Checks signature, issuer, tenant, agent, time, level and call. Only the public keys are fetched, from time to time.
   * @returns the customer; undefined for a receipt that is not valid
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
    // A receipt of another call belongs to another caller. Knowledge answers reach only `identified`, which moves no money.
    const isOurs = claims['agent'] === this.rules.agent && claims['call_id'] === callId;
    return isOurs && claims['level'] === 'verified' ? claims.sub : undefined;
  }

  /** The same, and consumes the receipt, so that it is refused the next time. */
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
