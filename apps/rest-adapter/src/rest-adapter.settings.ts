import { IsInt, IsString, Max, Min, ValidateBy } from 'class-validator';
import { IsAdminKey } from '@countersign/api';
import { Meaning } from '@countersign/contracts';
import { IsSecret } from '@countersign/hosting';
import { Secret } from '@countersign/crypto';
import { OperatorSettings } from './operators/operator.settings.js';

/** The settings of the REST adapter; each can also be given as `<NAME>_FILE`. */
export class RestSettings extends OperatorSettings {
  @Meaning('Port of the REST API; 0 picks a free port')
  @IsInt()
  @Min(0)
  @Max(65_535)
  REST_PORT: number = 3001;

  @Meaning(
    'Origins whose pages may call the API from a browser, for example `https://console.example.com,https://app.example.com`; empty: none',
  )
  @IsOriginList()
  CORS_ORIGINS: string = '';

  @Meaning(
    'Origin of the API of the audit log, which serves `/v1/events`, `/v1/attacks` and `/v1/log`; with TLS, a name of its certificate',
  )
  @IsOrigin()
  AUDIT_URL: string = 'http://127.0.0.1:3002';

  @Meaning(
    'Ports for operators of all processes, for `GET /v1/services`: `name=origin`, separated by commas, for example `audit=http://audit:9464`; at most 32',
  )
  @IsProcessList()
  SERVICES_URLS: string = '';

  @Meaning('Longest wait for the answer of another service')
  @IsInt()
  @Min(50)
  @Max(60_000)
  REPLY_TIMEOUT_MS: number = 5000;

  @Meaning('JSON Web Key Set with the public keys of the verification service')
  @IsString()
  SEALING_PUBLIC_KEYS!: string;

  @Meaning(
    'JSON Web Key Set with the public halves of `RECEIPT_KEYS` of verification; answers are trusted only when one of them verifies. Served as `/.well-known/jwks.json`',
  )
  @IsString()
  RECEIPT_PUBLIC_KEYS!: string;

  @Meaning('base64url of 32 random bytes, the same in both adapters, rate-limit and verification')
  @IsSecret()
  IDENTIFIER_KEY!: Secret;

  @Meaning('Key of the administrator: at least 24 printable ASCII characters without spaces')
  @IsAdminKey()
  ADMIN_API_KEY!: Secret;
}

/** The origins as browsers send them: in lower case and without a default port. */
export function originsOf({ CORS_ORIGINS }: RestSettings): readonly string[] {
  return CORS_ORIGINS.split(',').flatMap((text) => originOf(text) ?? []);
}

/** The origins of the ports for operators, by names of processes. */
export function processesOf({ SERVICES_URLS }: Pick<RestSettings, 'SERVICES_URLS'>): ReadonlyMap<string, string> {
  return new Map(
    SERVICES_URLS.split(',').flatMap((text) => {
      const process = processOf(text);
      return process === undefined ? [] : [process];
    }),
  );
}

function processOf(text: string): [name: string, origin: string] | undefined {
  const [, name = '', given = ''] = /^([a-z0-9][a-z0-9_-]{0,62})=(.+)$/.exec(text.trim()) ?? [];
  const origin = originOf(given);
  return origin === undefined ? undefined : [name, origin];
}

/** @returns undefined for anything but an origin; a pattern is none, because each origin is a decision */
function originOf(text: string): string | undefined {
  if (!URL.canParse(text) || text.includes('*')) return undefined;
  const { origin, href, protocol } = new URL(text);
  return /^https?:$/.test(protocol) && href === `${origin}/` ? origin : undefined;
}

function IsOrigin(): PropertyDecorator {
  return ValidateBy({
    name: 'isOrigin',
    validator: {
      validate: (value) => typeof value === 'string' && originOf(value) !== undefined,
      defaultMessage: () => '$property must be an origin like http://audit:3002, without a path',
    },
  });
}

function IsOriginList(): PropertyDecorator {
  const isOriginList = (value: unknown): boolean =>
    value === '' || (typeof value === 'string' && value.split(',').every((text) => originOf(text) !== undefined));
  return ValidateBy({
    name: 'isOriginList',
    validator: {
      validate: isOriginList,
      defaultMessage: () =>
        '$property must be origins like https://console.example.com, separated by commas, without a path and without *',
    },
  });
}

/** Each reading asks all of them at once, so their number is bounded. */
const MAX_PROCESSES = 32;

function IsProcessList(): PropertyDecorator {
  const isProcessList = (value: unknown): boolean => {
    if (typeof value !== 'string') return false;
    const names = value === '' ? [] : value.split(',').map((text) => processOf(text)?.[0]);
    return !names.includes(undefined) && new Set(names).size === names.length && names.length <= MAX_PROCESSES;
  };
  return ValidateBy({
    name: 'isProcessList',
    validator: {
      validate: isProcessList,
      defaultMessage: () =>
        `$property must be at most ${MAX_PROCESSES} pairs like audit=http://audit:9464, separated by commas, each name once`,
    },
  });
}
