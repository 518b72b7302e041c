/** A key of a telephone: column 0 to 2 from the left, row 0 to 3 from the top. */
interface Key {
  readonly column: number;
  readonly row: number;
}

/** Lines of keys that are gone along in parts: 147258 is two of them. */
const LINE = 3;
/** Shorter PINs have a list of their own. */
const SHORTEST_PATH = 5;

/**
 * Whether the digits draw something on the keypad of a telephone: a line that is gone along key by key (2580, 1599), lines
 * one after the other (159753, 147258), or a square, upright or on its tip (1397, 1254, 2684).
 * @param digits decimal digits, at least four
 */
export function isKeypadPattern(digits: string): boolean {
  const keys = [...digits].map(keyOf);
  if (isLine(keys) || isSquare(keys)) return true;
  if (keys.length % LINE !== 0) return false;
  return keys.every((_, at) => at % LINE > 0 || isLine(keys.slice(at, at + LINE)));
}

/**
 * Whether every digit lies beside, above or below the one before: a way along the edge (147896), a snake (12365478). Keys
 * at a corner are no neighbours: a fortieth more of all PINs of six digits would be refused.
 * @param digits decimal digits; of fewer than five none is a way, only {@link isKeypadPattern} may be
 */
export function isKeypadPath(digits: string): boolean {
  if (digits.length < SHORTEST_PATH) return false;
  return movesOf([...digits].map(keyOf)).every(({ column, row }) => Math.abs(column) + Math.abs(row) === 1);
}

function keyOf(digit: string): Key {
  const place = digit === '0' ? 10 : Number(digit) - 1;
  return { column: place % 3, row: Math.floor(place / 3) };
}

/** Neighbour after neighbour in one direction or back; a key may be pressed again. */
function isLine(keys: readonly Key[]): boolean {
  const moves = movesOf(keys).filter(({ column, row }) => column !== 0 || row !== 0);
  const [first] = moves;
  if (!first || Math.max(Math.abs(first.column), Math.abs(first.row)) !== 1) return false;
  return moves.every((move) => isSame(move, first) || isSame(move, { column: -first.column, row: -first.row }));
}

/** Every move is the one before, turned by a right angle to the same side. */
function isSquare(keys: readonly Key[]): boolean {
  const moves = movesOf(keys);
  return [1, -1].some((side) =>
    moves.every((move, at) => {
      const before = moves[at - 1];
      if (!before) return move.column !== 0 || move.row !== 0;
      return isSame(move, { column: side * before.row, row: -side * before.column });
    }),
  );
}

function movesOf(keys: readonly Key[]): Key[] {
  return keys.slice(1).map((key, at) => {
    const before = keys[at] ?? key;
    return { column: key.column - before.column, row: key.row - before.row };
  });
}

function isSame(a: Key, b: Key): boolean {
  return a.column === b.column && a.row === b.row;
}
