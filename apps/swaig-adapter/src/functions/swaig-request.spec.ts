import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { readSwaigRequest, type FunctionCall } from './swaig-request.js';

const SAMPLES = new URL('../../samples/', import.meta.url);
const sample = (file: string): Buffer => readFileSync(new URL(file, SAMPLES));
const read = (body: unknown): ReturnType<typeof readSwaigRequest> =>
  readSwaigRequest(Buffer.from(JSON.stringify(body)));
const readCall = (body: unknown): FunctionCall => read(body) as FunctionCall;

/** A captured body with another function and other arguments. */
function withCall(file: string, functionName: string, args: Record<string, unknown>): Record<string, unknown> {
  const body = JSON.parse(sample(file).toString()) as Record<string, unknown>;
  return { ...body, function: functionName, argument: { parsed: [args], raw: JSON.stringify(args) } };
}

describe('readSwaigRequest', () => {
  it.each(readdirSync(SAMPLES).filter((file) => file.startsWith('req-')))('reads the sample body %s', (file) => {
    const parsed = readSwaigRequest(sample(file));
    expect(parsed?.kind).toBe(file.includes('get_signature') ? 'signature' : 'call');
  });

  it('reads a captured telephone call', () => {
    const args = { pin: '0427' };
    expect(readCall(withCall('req-captured-phone-verify_identity.json', 'verify_pin', args))).toEqual({
      kind: 'call',
      functionName: 'verify_pin',
      args,
      rawArgument: '{"pin":"0427"}',
      callId: '7d1c3968-bf40-4739-b769-0623c2eb77cb',
      aiSessionId: 'b7c21e9b-4e66-42f9-9fec-a2f834a5270f',
      caller: '+15555550101',
      afterHangUp: false,
    });
  });

  it('detects that the call has ended', () => {
    expect(readSwaigRequest(sample('req-captured-phone-after-hangup.json'))).toMatchObject({ afterHangUp: true });
  });

  it('keeps the address of a browser guest as the caller', () => {
    const { caller } = readSwaigRequest(sample('req-docs-webrtc-guest.json')) as FunctionCall;
    expect(caller).toMatch(/^sip:guest-.*;context=guest$/);
  });

  it('reads the requested functions of a signature request, and an empty list if it names none', () => {
    expect(readSwaigRequest(sample('req-spec-get_signature.json'))).toEqual({
      kind: 'signature',
      functions: ['verify_pin', 'check_kba'],
    });
    expect(readSwaigRequest(sample('req-spec-get_signature-empty-list.json'))).toEqual({
      kind: 'signature',
      functions: [],
    });
    expect(read({ action: 'get_signature' })).toEqual({ kind: 'signature', functions: [] });
    expect(read({ action: 'get_signature', functions: 'verify_pin' })).toEqual({ kind: 'signature', functions: [] });
  });

  it('reads a Bedrock body with an action as a function call', () => {
    const body = {
      action: 'fetch_conversation',
      content_type: 'text/json',
      content_disposition: 'agent.function',
      function: 'verify_pin',
      argument: { parsed: [{ pin: '0427' }], raw: '{"pin":"0427"}' },
      call_id: 'c1',
      caller_id: '+12025550100',
    };
    expect(readCall(body)).toMatchObject({ kind: 'call', functionName: 'verify_pin', caller: '+12025550100' });
    expect(readCall({ ...body, caller_id_number: '+12025550199' }).caller).toBe('+12025550199');
    expect(readCall({ ...body, caller_id_num: '+12025550142', caller_id_number: '' }).caller).toBe('+12025550142');
  });

  it('reads the call id and the caller of a sidecar from its channel data', () => {
    const channel_data = { call_id: 'c2', caller_id_number: '+12025550100', destination_number: '+12025550111' };
    expect(readCall({ function: 'verify_pin', argument: {}, channel_data })).toMatchObject({
      callId: 'c2',
      caller: '+12025550100',
      afterHangUp: false,
    });
  });

  it('ignores a caller in global_data, which any tool can write', () => {
    expect(readCall({ function: 'verify_pin', global_data: { caller_id_number: '+12025550100' } }).caller).toBe('');
  });

  it.each<[string, unknown, unknown]>([
    ['the first parsed object', { parsed: [{ pin: '1' }, { pin: '2' }], raw: '{"pin":"3"}' }, { pin: '1' }],
    ['raw when nothing was parsed', { parsed: [], raw: '{"pin":"3"}' }, { pin: '3' }],
    ['raw when parsed is no object', { parsed: ['x'], raw: '{"pin":"3"}' }, { pin: '3' }],
    ['a parsed object without its list', { parsed: { pin: '1' } }, { pin: '1' }],
    ['the text that old platforms send', '{"pin":"4"}', { pin: '4' }],
    ['nothing from broken raw', { parsed: [], raw: 'Here {"pin"' }, {}],
    ['nothing from null', { parsed: [null], raw: 'null' }, {}],
    ['the object in a list', { raw: '[{"pin":"1"}]' }, { pin: '1' }],
    ['raw when what was parsed is empty', { parsed: [{}], raw: '{"pin":"3"}' }, { pin: '3' }],
    ['raw when it is a text in a text', { parsed: [], raw: '"{\\"pin\\":\\"3\\"}"' }, { pin: '3' }],
    ['raw when it is an object', { raw: { pin: '3' } }, { pin: '3' }],
    ['raw without the words around it', { raw: 'Here you go {"pin":"0 4 2 7"}.' }, { pin: '0 4 2 7' }],
    ['raw without its code fence', { raw: '```json\n{"pin":"3"}\n```' }, { pin: '3' }],
    ['a parsed text', { parsed: ['{"pin":"3"}'], raw: '' }, { pin: '3' }],
    ['a parsed text in a text', { parsed: '"{\\"pin\\":\\"3\\"}"' }, { pin: '3' }],
    ['a parsed text of a list', { parsed: '[{"pin":"3"}]' }, { pin: '3' }],
    ['a list within the list', { parsed: [[{ pin: '3' }]] }, { pin: '3' }],
    ['the members of argument itself', { pin: '3', customer_id: 'c' }, { pin: '3', customer_id: 'c' }],
    ['the members next to an empty envelope', { pin: '3', parsed: [], raw: '{}', substituted: '' }, { pin: '3' }],
    ['a list in place of the envelope', [{ pin: '3' }], { pin: '3' }],
    ['the text that old platforms send, in a text', '"{\\"pin\\":\\"4\\"}"', { pin: '4' }],
    ['nothing from an envelope without arguments', { parsed: [], raw: '', substituted: 'pin 3' }, {}],
    ['nothing that is nested deeper than platforms do', { parsed: [[[[[[{ pin: '3' }]]]]]] }, {}],
    ['nothing from an absent argument', undefined, {}],
  ])('reads as arguments %s', (_, argument, expected) => {
    expect(readCall({ function: 'verify_pin', argument }).args).toEqual(expected);
  });

  it.each<[string, string, unknown]>([
    ['beyond 2^53', '{"parsed":[{"id":9007199254740993}],"raw":"{\\"id\\":9007199254740993}"}', '9007199254740993'],
    [
      'that the platform rounded',
      '{"parsed":[{"id":9007199254740992}],"raw":"{\\"id\\":9007199254740993}"}',
      '9007199254740993',
    ],
    [
      'that it printed short',
      '{"parsed":[{"id":9.00719925474099e15}],"raw":"{\\"id\\":9007199254740993}"}',
      '9007199254740993',
    ],
    ['that lost its leading zeros', '{"parsed":[{"id":427}],"raw":"{\\"id\\":0427}"}', '0427'],
    ['that was a text', '{"parsed":[{"id":427}],"raw":"{\\"id\\":\\"0427\\"}"}', '0427'],
    ['in raw alone', '{"parsed":[],"raw":"{\\"id\\":9007199254740993}"}', '9007199254740993'],
    ['with a decimal part of zero', '{"parsed":[{"id":4829.0}],"raw":"{\\"id\\":4829.0}"}', '4829'],
    ['with an exponent', '{"parsed":[],"raw":"{\\"id\\":4.829e3}"}', '4829'],
    ['that is exact without raw', '{"parsed":[{"id":4829}],"raw":""}', 4829],
    ['that differs from raw', '{"parsed":[{"id":4829}],"raw":"{\\"id\\":77}"}', 4829],
  ])('returns the exact value of a number %s', (_, argument, expected) => {
    const call = readSwaigRequest(Buffer.from(`{"function":"verify_pin","argument":${argument}}`)) as FunctionCall;
    expect(call.args['id']).toBe(expected);
  });

  it.each([
    '{"parsed":[{"id":9007199254740993}],"raw":""}',
    '{"parsed":[{"id":9007199254740993}],"raw":"{}"}',
    '{"id":9007199254740993}',
    '{"id":1e400}',
    '{"id":4829.00000000000000000001}',
    '{"parsed":[],"raw":"{\\"id\\":4829.00000000000000000001}"}',
  ])('returns no safe integer for a number that may have been rounded: %s', (argument) => {
    const call = readSwaigRequest(Buffer.from(`{"function":"verify_pin","argument":${argument}}`)) as FunctionCall;
    expect(Number.isSafeInteger(call.args['id'])).toBe(false);
    expect(typeof call.args['id']).toBe('number');
  });

  it('keeps the digits of any whole number that the model wrote', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.boolean(), (value, rounded) => {
        const parsed = rounded ? JSON.stringify(Number(value)) : String(value);
        const body = `{"argument":{"parsed":[{"id":${parsed}}],"raw":"{\\"id\\":${value}}"}}`;
        expect(String((readSwaigRequest(Buffer.from(body)) as FunctionCall).args['id'])).toBe(String(value));
      }),
    );
  });

  it('returns an empty rawArgument if raw does not hold the arguments', () => {
    const call = (argument: unknown): string => readCall({ function: 'verify_pin', argument }).rawArgument;
    expect(call({ parsed: [{ pin: '1' }], raw: '{}' })).toBe('');
    expect(call({ pin: '1' })).toBe('');
    expect(call({ parsed: [{}], raw: '{"pin":"1"}' })).toBe('{"pin":"1"}');
  });

  it('returns undefined for a body that is no JSON object', () => {
    for (const body of ['', ' ', 'null', '1', '"x"', '[]', '[{}]', '{', '{"a":1}}', '\ufeff']) {
      expect(readSwaigRequest(Buffer.from(body))).toBeUndefined();
    }
  });

  it('reads any JSON object without an exception and returns texts for its text fields', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (fields, any) => {
        const body = { ...fields, function: any, argument: any, call_id: any, caller_id_num: any, channel_data: any };
        const call = readCall(body);
        for (const value of [call.functionName, call.callId, call.aiSessionId, call.caller, call.rawArgument]) {
          expect(typeof value).toBe('string');
        }
        expect(typeof call.args).toBe('object');
      }),
      { numRuns: 500 },
    );
  });

  it('reads a body that is nested as deep as the size limit allows', () => {
    const deep = `{"function":"verify_pin","argument":{"parsed":[${'['.repeat(1e5)}${']'.repeat(1e5)}]}}`;
    expect(readSwaigRequest(Buffer.from(deep))).toMatchObject({ functionName: 'verify_pin', args: {} });
  });
});
