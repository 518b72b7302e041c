/** What happened to a log. */
export type DamageKind = 'changed' | 'removed' | 'inserted' | 'reordered' | 'truncated' | 'forked' | 'rolled back';

/** The first damage that was found. */
export interface LogDamage {
  readonly kind: DamageKind;
  /** The file or checkpoint that is damaged. */
  readonly object: string;
  /** Index of the first damaged entry, or the least that it can have. */
  readonly first?: number;
  /** The largest index that the first damaged entry can have; equal to `first` when it is known. */
  readonly last?: number;
  readonly detail: string;
}

/** Entries that are missing because an entry of the log states it; both ends are included. */
export interface StatedPruning {
  readonly from: number;
  readonly to: number;
  /** Index of the entry. */
  readonly statedBy: number;
}

/** What a verification has found. */
export type LogVerdict =
  | {
      readonly result: 'intact';
      readonly size: number;
      readonly root: Buffer;
      readonly checkpoints: number;
      readonly pruned?: StatedPruning;
    }
  | { readonly result: 'tampered'; readonly damage: LogDamage }
  | { readonly result: 'incomplete'; readonly reason: string };

/** Exit codes of `countersign log`. */
export const EXIT_CODES = { intact: 0, tampered: 1, incomplete: 2, usage: 3 } as const;

/** A verdict in words. */
export function describeVerdict(verdict: LogVerdict): string {
  switch (verdict.result) {
    case 'intact':
      return (
        `intact: ${verdict.size} entries, root ${verdict.root.toString('base64')}, ` +
        `${verdict.checkpoints} ${verdict.checkpoints === 1 ? 'checkpoint' : 'checkpoints, all consistent'}` +
        (verdict.pruned === undefined ? '' : `; ${describePruning(verdict.pruned)}`)
      );
    case 'incomplete':
      return `incomplete evidence: ${verdict.reason}`;
    case 'tampered': {
      const { kind, object, first, last = first, detail } = verdict.damage;
      const where =
        first === undefined ? '' : first === last ? ` at index ${first}` : ` at an index from ${first} to ${last}`;
      return `TAMPERED: ${kind}${where}, in ${object}: ${detail}`;
    }
  }
}

function describePruning({ from, to, statedBy }: StatedPruning): string {
  return `entries ${from} to ${to} pruned, as entry ${statedBy} states; their hashes were verified`;
}
