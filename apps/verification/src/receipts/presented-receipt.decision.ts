/** A receipt whose signature is right, as far as spending it goes. */
export interface PresentedReceipt {
  readonly tenant: string;
  /** Id of the verification that it states. */
  readonly jti: string;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}
