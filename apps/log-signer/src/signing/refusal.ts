/** How the log contradicts what was signed. */
export const REFUSAL_KINDS = ['rollback', 'fork', 'damaged'] as const;
export type RefusalKind = (typeof REFUSAL_KINDS)[number];

/** The log is not a continuation of what was signed last. Nothing was signed. */
export class LogRefused extends Error {
  override readonly name = 'LogRefused';
  constructor(
    readonly kind: RefusalKind,
    message: string,
    readonly sizes: { readonly signedSize?: number; readonly size?: number } = {},
  ) {
    super(message);
  }
}
