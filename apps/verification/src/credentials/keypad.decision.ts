/** A key of a telephone: column 0 to 2 from the left, row 0 to 3 from the top. */
interface Key {
  readonly column: number;
  readonly row: number;
}

/** Length of the lines that a PIN may consist of: 147258 is two of them. */
const LINE_LENGTH = 3;
/** Shorter PINs have a list of their own. */
const MIN_PATH_LENGTH = 5;

/**
 * Whether the digits draw a pattern on a telephone keypad: a line, key by key (2580, 1599), several lines (159753, 147258), or a
 * square, upright or on a corner (1397, 1254, 2684).
 * @param digits decimal digits, at least four
 */
export function isKeypadPattern(digits: string): boolean {
  const keys = [...digits].map(keyOf);
  if (isLine(keys) || isSquare(keys)) return true;
  if (keys.length % LINE_LENGTH !== 0) return false;
  return keys.every((_, at) => at % LINE_LENGTH > 0 || isLine(keys.slice(at, at + LINE_LENGTH)));
}

/**
 * Whether every key is next to, above or below the key before it: a path along the edge (147896), a snake (12365478). Diagonal
 * keys are not neighbors here: counting them would refuse 2.5 % more of all PINs of six digits.
 * @param digits decimal digits; false for fewer than five, see {@link isKeypadPattern}
 */
export function isKeypadPath(digits: string): boolean {
  if (digits.length < MIN_PATH_LENGTH) return false;
  return movesOf([...digits].map(keyOf)).every(({ column, row }) => Math.abs(column) + Math.abs(row) === 1);
}

function keyOf(digit: string): Key {
  const place = digit === '0' ? 10 : Number(digit) - 1;
  return { column: place % 3, row: Math.floor(place / 3) };
}

/** Neighboring keys in one direction or back; a key may be repeated. */
function isLine(keys: readonly Key[]): boolean {
  const moves = movesOf(keys).filter(({ column, row }) => column !== 0 || row !== 0);
  const [first] = moves;
  if (!first || Math.max(Math.abs(first.column), Math.abs(first.row)) !== 1) return false;
  return moves.every((move) => isSame(move, first) || isSame(move, { column: -first.column, row: -first.row }));
}

/** Every move is the previous one, turned by a right angle to the same side. */
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
