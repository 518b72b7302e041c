/** What consuming a receipt needs of it. Its signature was verified before. */
export interface PresentedReceipt {
  readonly tenant: string;
  /** Id of the verification that it states. */
  readonly jti: string;
  /** Seconds since 1970. */
  readonly expiresAt: number;
}
