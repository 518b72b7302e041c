import { withDigitsAsText, withoutRounding } from '@countersign/normalization';
import { withoutByteOrderMark } from '@countersign/runtime';

/** A JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

/** The arguments of a function call, and the text of the model that contained them. */
export interface FunctionArguments {
  readonly args: Fields;
  /** Empty if the arguments came from elsewhere: then this text does not distinguish two calls. */
  readonly rawArgument: string;
}

/** Most levels of text or list around the arguments: platforms encode arguments twice, and send lists of one element. */
const MAX_DEPTH = 4;
/** Some platforms print numbers with 15 digits. Whole numbers below this are then exact. */
const MAX_EXACT_NUMBER = 1e15;
/** Members of `argument` that are not arguments themselves. */
const ENVELOPE = ['parsed', 'raw', 'substituted'];
const NO_ARGUMENTS: Fields = {};

/**
 * Reads `argument` of a function call: `parsed[0]`, else `raw`, else the members of `argument` itself. Each of them can be an
 * object, a list with one object, or the text of either. An object without members counts as absent.
 *
 * The JSON reader of the platform may have rounded a number in `parsed` or dropped its leading zeros. The digits are therefore
 * taken from `raw`, which the model wrote. A number without exact digits stays a number that is not a safe integer; no argument
 * may be read from it.
 */
export function readArguments(argument: unknown): FunctionArguments {
  const envelope = asFields(argument) ?? NO_ARGUMENTS;
  const text = trimmedText(argument) || trimmedText(envelope['raw']);
  const written = text === '' ? unwrapFields(envelope['raw'], 0) : fieldsInText(text);
  const parsed = unwrapFields(envelope['parsed'], 0);
  if (parsed) return { args: withExactNumbers(parsed, written ?? NO_ARGUMENTS), rawArgument: written ? text : '' };
  if (written) return { args: written, rawArgument: text };
  const direct = Object.entries(envelope).filter(([name]) => !ENVELOPE.includes(name));
  return {
    args: (Array.isArray(argument) && unwrapFields(argument, 0)) || Object.fromEntries(direct),
    rawArgument: '',
  };
}

export function asFields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

/** Returns undefined for text that is not JSON. Rounds no number, see {@link withoutRounding}. */
export function parseJson(json: string): unknown {
  try {
    return JSON.parse(withoutRounding(withoutByteOrderMark(json)));
  } catch {
    return undefined;
  }
}

/** Finds an object with members inside lists and texts. */
function unwrapFields(value: unknown, depth: number): Fields | undefined {
  if (depth > MAX_DEPTH) return undefined;
  if (typeof value === 'string') return fieldsInText(value, depth);
  if (Array.isArray(value)) return unwrapFields(value[0], depth + 1);
  const fields = asFields(value);
  return fields && Object.keys(fields).length > 0 ? fields : undefined;
}

/** Models write sentences and code fences around their JSON. The object lies between the outermost braces. */
function fieldsInText(text: string, depth = 0): Fields | undefined {
  const [first, last] = [text.indexOf('{'), text.lastIndexOf('}')];
  if (first === -1 || last < first) return undefined;
  const parsed = parseWithDigitsAsText(text) ?? parseWithDigitsAsText(text.slice(first, last + 1));
  return unwrapFields(parsed, depth + 1);
}

function parseWithDigitsAsText(json: string): unknown {
  try {
    return JSON.parse(withDigitsAsText(json));
  } catch {
    return undefined;
  }
}

function withExactNumbers(parsed: Fields, written: Fields): Fields {
  if (!Object.values(parsed).some((value) => typeof value === 'number')) return parsed;
  return Object.fromEntries(
    Object.entries(parsed).map(([name, value]) => [
      name,
      typeof value === 'number' ? exactNumber(value, Object.hasOwn(written, name) ? written[name] : undefined) : value,
    ]),
  );
}

/** The digits as written, if the number can be a rounded form of them. Platforms do not all round in the same way. */
function exactNumber(value: number, written: unknown): unknown {
  if (typeof written !== 'string' || !/^[0-9]+$/.test(written)) return value;
  const isExact = Math.abs(value) < MAX_EXACT_NUMBER && Number.isInteger(value);
  return Number(written) === value || !isExact ? written : value;
}

function trimmedText(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}
