import { asFields, parseJson, readArguments, type Fields } from './function-arguments.js';

/** The platform asks for the definitions of functions; `functions` empty: all of them. */
export interface SignatureRequest {
  readonly kind: 'signature';
  readonly functions: readonly string[];
}

/** The language model calls a function. */
export interface FunctionCall {
  readonly kind: 'call';
  readonly functionName: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** What the model wrote; empty when the arguments came from elsewhere. Two deliveries of one call have the same. */
  readonly rawArgument: string;
  /** Empty when the platform sent none. */
  readonly callId: string;
  /** Empty when the platform sent none. */
  readonly aiSessionId: string;
  /** A telephone number, a SIP URI, or whatever else the platform knows of the caller; empty when nothing. A claim. */
  readonly caller: string;
  /** The call was over, or had failed, when the function was called: nothing may happen any more. */
  readonly afterHangUp: boolean;
}

const NO_FIELDS: Fields = {};

/**
 * Reads the body of a SWAIG request. Nothing in it is authenticated. Lenient: unknown fields are ignored and a field of
 * the wrong type counts as absent, because platform versions and surfaces (voice, chat, Bedrock, sidecar) differ.
 * @returns undefined when the body is no JSON object
 */
export function readSwaigRequest(body: Buffer): SignatureRequest | FunctionCall | undefined {
  const fields = readFields(body);
  if (fields === undefined) return undefined;
  // Exactly this action: Bedrock puts `fetch_conversation` into the body of a function call.
  if (fields['action'] === 'get_signature') return { kind: 'signature', functions: readTexts(fields['functions']) };
  return readCall(fields);
}

/** The members of a JSON object; undefined when the body is none. */
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
    // A call that the platform makes when something broke comes when nobody listens any more, too.
    afterHangUp: isFalse(fields['channel_active']) || isTrue(fields['fatal_error']),
  };
}

/** Some surfaces write truth values as texts. */
function isTrue(value: unknown): boolean {
  return value === true || (typeof value === 'string' && value.trim().toLowerCase() === 'true');
}

function isFalse(value: unknown): boolean {
  return value === false || (typeof value === 'string' && value.trim().toLowerCase() === 'false');
}

/** A whole number stands for its digits: a platform may drop the quotes of an id or of a telephone number. */
function readText(value: unknown): string {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : '';
  return typeof value === 'string' ? value.trim() : '';
}

/** A chat has no call; a conversation of a voice agent can span several, so there it is no id of one. */
function chatId(fields: Fields): string {
  return fields['conversation_type'] === 'chat' ? readText(fields['conversation_id']) : '';
}

function readTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
