import { withDigitsAsText, withoutRounding } from '@countersign/normalization';
import { withoutByteOrderMark } from '@countersign/runtime';

/** A JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

/** The arguments of a function call, and the model's own words as far as they gave any of them. */
export interface FunctionArguments {
  readonly args: Fields;
  /** Empty when the arguments came from elsewhere: then these words do not distinguish two calls. */
  readonly rawArgument: string;
}

/** Texts within texts that are read: platforms encode arguments twice, and lists hold one element. */
const DEEPEST = 4;
/** A double that is printed with 15 digits, as some platforms do, is exact below this. */
const MOST_EXACT = 1e15;
/** Members of `argument` that are not arguments themselves. */
const ENVELOPE = ['parsed', 'raw', 'substituted'];
const NO_ARGUMENTS: Fields = {};

/**
 * Reads `argument` of a function call: `parsed[0]`, else `raw`, else the members of `argument` itself. Each of them may be
 * an object, a list with one, or the text of either, and what has no members counts as absent.
 *
 * A number in `parsed` went through the JSON reader of the platform, which may have rounded it or dropped its leading
 * zeros. Its digits are taken from `raw`, which is what the model wrote. A number that nobody knows exactly stays a number
 * that is not a safe integer; no argument may be read from it.
 */
export function readArguments(argument: unknown): FunctionArguments {
  const envelope = asFields(argument) ?? NO_ARGUMENTS;
  const words = textOf(argument) || textOf(envelope['raw']);
  const written = words === '' ? fieldsWithin(envelope['raw'], 0) : fieldsInWords(words);
  const parsed = fieldsWithin(envelope['parsed'], 0);
  if (parsed) return { args: exact(parsed, written ?? NO_ARGUMENTS), rawArgument: written ? words : '' };
  if (written) return { args: written, rawArgument: words };
  const direct = Object.entries(envelope).filter(([name]) => !ENVELOPE.includes(name));
  return {
    args: (Array.isArray(argument) && fieldsWithin(argument, 0)) || Object.fromEntries(direct),
    rawArgument: '',
  };
}

export function asFields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

/** Undefined for what is no JSON. No number in it was rounded, see {@link withoutRounding}. */
export function parseJson(json: string): unknown {
  try {
    return JSON.parse(withoutRounding(withoutByteOrderMark(json)));
  } catch {
    return undefined;
  }
}

/** The members of an object that has some, wherever it is wrapped. */
function fieldsWithin(value: unknown, depth: number): Fields | undefined {
  if (depth > DEEPEST) return undefined;
  if (typeof value === 'string') return fieldsInWords(value, depth);
  if (Array.isArray(value)) return fieldsWithin(value[0], depth + 1);
  const fields = asFields(value);
  return fields && Object.keys(fields).length > 0 ? fields : undefined;
}

/** Models put sentences and code fences around their JSON; the object is what the outermost braces enclose. */
function fieldsInWords(words: string, depth = 0): Fields | undefined {
  const [first, last] = [words.indexOf('{'), words.lastIndexOf('}')];
  if (first === -1 || last < first) return undefined;
  const read = parseDigits(words) ?? parseDigits(words.slice(first, last + 1));
  return fieldsWithin(read, depth + 1);
}

function parseDigits(json: string): unknown {
  try {
    return JSON.parse(withDigitsAsText(json));
  } catch {
    return undefined;
  }
}

function exact(parsed: Fields, written: Fields): Fields {
  if (!Object.values(parsed).some((value) => typeof value === 'number')) return parsed;
  return Object.fromEntries(
    Object.entries(parsed).map(([name, value]) => [
      name,
      typeof value === 'number' ? exactNumber(value, Object.hasOwn(written, name) ? written[name] : undefined) : value,
    ]),
  );
}

/** The digits as written, where they can be those of the number: platforms round in more than one way. */
function exactNumber(value: number, written: unknown): unknown {
  if (typeof written !== 'string' || !/^[0-9]+$/.test(written)) return value;
  return Number(written) === value || !(Math.abs(value) < MOST_EXACT && Number.isInteger(value)) ? written : value;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}
