import { asFields, parseJson, readArguments, type Fields } from './function-arguments.js';

/** A request for function definitions. An empty `functions` requests all. */
export interface SignatureRequest {
  readonly kind: 'signature';
  readonly functions: readonly string[];
}

/** A function call of the language model. */
export interface FunctionCall {
  readonly kind: 'call';
  readonly functionName: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** The model's own text; empty if it does not hold the arguments. A redelivery has the same text. */
  readonly rawArgument: string;
  /** Empty when the platform sent none. */
  readonly callId: string;
  /** Empty when the platform sent none. */
  readonly aiSessionId: string;
  /** The telephone number, SIP URI or other address of the caller; empty if the platform sent none. Not authenticated. */
  readonly caller: string;
  /** Whether the call had ended or failed before the function was called. Such a call must have no effect. */
  readonly afterHangUp: boolean;
}

const NO_FIELDS: Fields = {};

/**
 * Reads the body of a SWAIG request. Nothing in it is authenticated. Ignores unknown fields and treats fields of the wrong
 * type as absent, because platform versions and surfaces (voice, chat, Bedrock, sidecar) differ.
 * @returns undefined if the body is no JSON object
 */
export function readSwaigRequest(body: Buffer): SignatureRequest | FunctionCall | undefined {
  const fields = readFields(body);
  if (fields === undefined) return undefined;
  // Compares the action exactly, because Bedrock sends `fetch_conversation` with a function call.
  if (fields['action'] === 'get_signature') return { kind: 'signature', functions: readTexts(fields['functions']) };
  return readCall(fields);
}

/** The members of a JSON object; undefined if the body is no JSON object. */
export function readFields(body: Buffer): Fields | undefined {
  return asFields(parseJson(body.toString('utf8')));
}

function readCall(fields: Fields): FunctionCall {
  const channel = asFields(fields['channel_data']) ?? NO_FIELDS;
  return {
    kind: 'call',
    functionName: readText(fields['function']),
    ...readArguments(fields['argument']),
    callId: readText(fields['call_id']) || readText(channel['call_id']) || chatId(fields),
    aiSessionId: readText(fields['ai_session_id']),
    caller:
      readText(fields['caller_id_num']) ||
      readText(fields['caller_id_number']) ||
      readText(fields['caller_id']) ||
      readText(channel['caller_id_number']),
    // A fatal error ends the conversation, too.
    afterHangUp: isFalse(fields['channel_active']) || isTrue(fields['fatal_error']),
  };
}

/** Accepts texts, because some surfaces send booleans as texts. */
function isTrue(value: unknown): boolean {
  return value === true || (typeof value === 'string' && value.trim().toLowerCase() === 'true');
}

function isFalse(value: unknown): boolean {
  return value === false || (typeof value === 'string' && value.trim().toLowerCase() === 'false');
}

/** Reads a whole number as its digits, because a platform may drop the quotes of an id or a telephone number. */
function readText(value: unknown): string {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : '';
  return typeof value === 'string' ? value.trim() : '';
}

/** A chat has no call id, so its conversation id is used. The conversation of a voice agent can span several calls. */
function chatId(fields: Fields): string {
  return fields['conversation_type'] === 'chat' ? readText(fields['conversation_id']) : '';
}

function readTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
