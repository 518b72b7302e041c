import { IsInt, IsOptional, IsString, Length, Max, Min, ValidateBy } from 'class-validator';
import { MAX_SESSION_SECONDS, Meaning } from '@countersign/contracts';
import { Secret } from '@countersign/crypto';
import { BusSettings, IsSecret } from '@countersign/hosting';
import { settingsInvalid } from '@countersign/runtime';
import { readRoleMap, type RoleMap } from './role-grants.decision.js';

/** The settings of operators: who may sign in, and for how long. */
export class OperatorSettings extends BusSettings {
  @Meaning(
    'Origin of the console in browsers, such as `https://verify.example.com`; default: scheme and host of the request. Set it behind a proxy that ends TLS',
  )
  @IsOptional()
  @IsOriginOrNone()
  CONSOLE_URL?: string;

  @Meaning(
    'Issuer of the OpenID provider at which operators sign in, such as `https://id.example.com/realms/staff`; without it, the administrator key signs in, for development',
  )
  @IsOptional()
  @IsIssuer()
  OIDC_ISSUER?: string;

  @Meaning('Id of this client at the provider; required with `OIDC_ISSUER`')
  @IsOptional()
  @IsString()
  @Length(1, 500)
  OIDC_CLIENT_ID?: string;

  @Meaning('Secret of this client at the provider; without it, this is a public client')
  @IsOptional()
  @IsSecret()
  OIDC_CLIENT_SECRET?: Secret;

  @Meaning('Scopes that are requested at the sign-in, with `openid`')
  @IsString()
  @Length(6, 500)
  OIDC_SCOPES: string = 'openid profile';

  @Meaning('`aud` of tokens of the provider with which scripts of operators call the API; without it, none is accepted')
  @IsOptional()
  @IsString()
  @Length(1, 500)
  OIDC_AUDIENCE?: string;

  @Meaning('Claim with the roles: its name, or a path such as `realm_access.roles`')
  @IsString()
  @Length(1, 200)
  OIDC_ROLES_CLAIM: string = 'roles';

  @Meaning(
    'JSON object from a value of the claim to `{"role", "tenants"?}`, such as `{"support": {"role": "operator", "tenants": ["acme"]}}`; default: the names of the roles themselves',
  )
  @IsOptional()
  @IsString()
  OIDC_ROLES?: string;

  @Meaning('A session that is not used for this long ends')
  @IsInt()
  @Min(60)
  @Max(MAX_SESSION_SECONDS)
  OPERATOR_IDLE_SECONDS: number = 1800;

  @Meaning('A session ends after this time, used or not')
  @IsInt()
  @Min(60)
  @Max(MAX_SESSION_SECONDS)
  OPERATOR_SESSION_SECONDS: number = 43_200;

  @Meaning('For this long after a sign-in, an operator may erase, disable, delete, loosen, and create agents and keys')
  @IsInt()
  @Min(30)
  @Max(86_400)
  OPERATOR_RECENT_SECONDS: number = 300;
}

/** How this client is known to the OpenID provider. */
export interface ProviderSettings {
  readonly issuer: URL;
  readonly clientId: string;
  readonly clientSecret: Secret | undefined;
  readonly scopes: string;
  /** Undefined: no token is accepted in place of a key. */
  readonly audience: string | undefined;
  readonly rolesClaim: string;
  readonly roles: RoleMap;
}

/** @returns undefined without a provider. @throws ServiceError SETTINGS_INVALID */
export function readProvider(settings: OperatorSettings): ProviderSettings | undefined {
  const { OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_ROLES } = settings;
  const faults: string[] = [];
  if (OIDC_ISSUER !== undefined && OIDC_CLIENT_ID === undefined) {
    faults.push('OIDC_CLIENT_ID must be set with OIDC_ISSUER');
  }
  if (!settings.OIDC_SCOPES.split(' ').includes('openid')) faults.push('OIDC_SCOPES must hold openid');
  const roles = readRoleMap(OIDC_ROLES);
  if (roles === undefined) {
    const rule = 'must be a JSON object from values of the claim to {"role": …, "tenants": […]}';
    faults.push(`OIDC_ROLES ${rule}, with the roles viewer, operator, admin, auditor`);
  }
  if (faults.length > 0) throw settingsInvalid(faults);
  if (OIDC_ISSUER === undefined || OIDC_CLIENT_ID === undefined || roles === undefined) return undefined;
  return {
    ...{ issuer: new URL(OIDC_ISSUER), clientId: OIDC_CLIENT_ID, clientSecret: settings.OIDC_CLIENT_SECRET },
    ...{ scopes: settings.OIDC_SCOPES, audience: settings.OIDC_AUDIENCE },
    ...{ rolesClaim: settings.OIDC_ROLES_CLAIM, roles },
  };
}

/** Whether a URL is on this machine, so that its traffic crosses no network. */
const isLoopback = ({ hostname }: URL): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);

function IsIssuer(): PropertyDecorator {
  const isIssuer = (value: unknown): boolean => {
    if (typeof value !== 'string' || !URL.canParse(value)) return false;
    const url = new URL(value);
    const isPrivate = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url));
    return isPrivate && url.search === '' && url.hash === '' && url.username === '';
  };
  return ValidateBy({
    name: 'isIssuer',
    validator: {
      validate: isIssuer,
      defaultMessage: () =>
        '$property must be an https address without credentials, ? and #; http only for this machine',
    },
  });
}

function IsOriginOrNone(): PropertyDecorator {
  return ValidateBy({
    name: 'isOriginOrNone',
    validator: {
      validate: (value) =>
        typeof value === 'string' &&
        URL.canParse(value) &&
        /^https?:\/\/[^/]+\/?$/.test(value) &&
        new URL(value).username === '',
      defaultMessage: () => '$property must be an origin like https://verify.example.com, without a path',
    },
  });
}
