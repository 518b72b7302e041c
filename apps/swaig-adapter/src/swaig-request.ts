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
  /** What the model wrote; empty when the platform sent none. It tells deliveries apart. */
  readonly rawArgument: string;
  /** Empty when the platform sent none. */
  readonly callId: string;
  /** Empty when the platform sent none. */
  readonly aiSessionId: string;
  /** A telephone number, a SIP URI, or whatever else the platform knows of the caller; empty when nothing. A claim. */
  readonly caller: string;
  /** The call was over when the function was called: nothing may happen any more. */
  readonly afterHangUp: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

const NO_FIELDS: Fields = {};

/**
 * Reads the body of a SWAIG request. Nothing in it is authenticated. Lenient: unknown fields are ignored and a field of
 * the wrong type counts as absent, because platform versions and surfaces (voice, chat, Bedrock, sidecar) differ.
 * @returns undefined when the body is no JSON object
 */
export function readSwaigRequest(body: Buffer): SignatureRequest | FunctionCall | undefined {
  const fields = asFields(parseJson(body.toString('utf8')));
  if (fields === undefined) return undefined;
  // Exactly this action: Bedrock puts `fetch_conversation` into the body of a function call.
  if (fields['action'] === 'get_signature') return { kind: 'signature', functions: strings(fields['functions']) };
  return readCall(fields);
}

function readCall(fields: Fields): FunctionCall {
  const argument = fields['argument'];
  // Long ago `argument` was the model's text itself.
  const rawArgument = text(argument) || text(asFields(argument)?.['raw']);
  const channel = asFields(fields['channel_data']) ?? NO_FIELDS;
  return {
    kind: 'call',
    functionName: text(fields['function']),
    args: readArguments(asFields(argument)?.['parsed'], rawArgument),
    rawArgument,
    callId: text(fields['call_id']) || text(channel['call_id']),
    aiSessionId: text(fields['ai_session_id']),
    caller:
      text(fields['caller_id_num']) ||
      text(fields['caller_id_number']) ||
      text(fields['caller_id']) ||
      text(channel['caller_id_number']),
    afterHangUp: fields['channel_active'] === false,
  };
}

/** `parsed[0]`, else the JSON in `raw`, else nothing. */
function readArguments(parsed: unknown, raw: string): Fields {
  const first: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  return asFields(first) ?? asFields(parseJson(raw)) ?? NO_FIELDS;
}

function asFields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
