/** Tiles, proofs, notes or checkpoints that are not in their exact form, or that a key or a root does not confirm. */
export class EvidenceError extends Error {
  override readonly name = 'EvidenceError';
}
