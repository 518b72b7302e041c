export { type Checkpoint, formatCheckpoint, openCheckpoint, parseCheckpoint, signCheckpoint } from './checkpoint.js';
export { type VerifiedCheckpoint } from './checkpoint.js';
export { CompactRange, nodesOfRange, splitHashes, type TreeNode, type VisitNode } from './compact-range.js';
export { EvidenceError } from './evidence-error.js';
export { EMPTY_ROOT, HASH_BYTES, leafHash, nodeHash } from './hashing.js';
export { formatLogProof, type LogProof, parseLogProof, verifyLogProof } from './log-proof.js';
export {
  createSignerKey,
  formatVerifierKey,
  parseSignerKey,
  parseVerifierKey,
  SIGNATURE_TYPES,
  type SignatureType,
  type SignerKey,
  signerKeyOf,
  timedKeyOf,
  type VerifierKey,
} from './note-keys.js';
export {
  consistencyProof,
  inclusionProof,
  rootFromTiles,
  TileReader,
  verifyConsistency,
  verifyInclusion,
} from './proofs.js';
export {
  cosign,
  MAX_SIGNATURES,
  type NoteSignature,
  openNote,
  type OpenedNote,
  signNote,
  splitNote,
} from './signed-note.js';
export { type HashTile, TiledTree } from './tiled-tree.js';
export {
  encodeEntryBundle,
  type HashTileCoordinates,
  hashesAtLevel,
  MAX_ENTRY_BYTES,
  parseTilePath,
  partialTilesOf,
  readEntryBundle,
  TILE_WIDTH,
  type TileCoordinates,
  tileOf,
  tilePath,
  tilesOfGrowth,
  tileWidth,
} from './tiles.js';
