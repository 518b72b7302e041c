/** A receipt whose signature is right, as far as what is stored decides about it. Times in seconds since 1970. */
export interface PresentedReceipt {
  readonly tenant: string;
  readonly subject: string;
  readonly jti: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}
