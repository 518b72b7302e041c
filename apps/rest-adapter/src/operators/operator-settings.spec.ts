import { describe, expect, it } from '@jest/globals';
import { OPERATOR_ROLES } from '@countersign/contracts';
import { readSettings, settingFaultsOf } from '@countersign/runtime';
import { OperatorSettings, readProvider } from './operator.settings.js';
import { grantsOf, readRoleMap } from './role-grants.decision.js';

const issuer = { OIDC_ISSUER: 'https://id.example.com', OIDC_CLIENT_ID: 'console' };

function faultsOf(env: Record<string, string>): readonly string[] {
  const { values, faults } = readSettings(OperatorSettings, env);
  try {
    readProvider(values);
    return faults;
  } catch (error) {
    return [...faults, ...(settingFaultsOf(error) ?? [])];
  }
}

describe('the settings of operators', () => {
  it('need no provider, and a provider needs only its issuer and the id of the client', () => {
    expect(faultsOf({})).toEqual([]);
    expect(faultsOf(issuer)).toEqual([]);
    expect(faultsOf({ OIDC_ISSUER: issuer.OIDC_ISSUER })).toEqual(['OIDC_CLIENT_ID must be set with OIDC_ISSUER']);
  });

  it('admit a provider without TLS on this machine only', () => {
    for (const url of ['http://127.0.0.1:8080', 'http://localhost/realm', 'http://[::1]:1']) {
      expect(faultsOf({ ...issuer, OIDC_ISSUER: url })).toEqual([]);
    }
    const refused = [
      'http://id.example.com',
      'http://127.0.0.1.example.com',
      'https://u:p@id.example.com',
      'ftp://x',
      'id',
    ];
    for (const url of [...refused, 'https://id.example.com/?a=1']) {
      expect(faultsOf({ ...issuer, OIDC_ISSUER: url })).toEqual([expect.stringMatching(/^OIDC_ISSUER must be/)]);
    }
    expect(faultsOf({ CONSOLE_URL: 'https://verify.example.com' })).toEqual([]);
    for (const url of ['https://verify.example.com/console', 'verify.example.com', 'javascript:alert(1)']) {
      expect(faultsOf({ CONSOLE_URL: url })).toEqual([expect.stringMatching(/^CONSOLE_URL must be an origin/)]);
    }
  });

  it('refuse a map of roles with anything but roles and names of tenants', () => {
    const maps = ['no', '[]', '{"a":"admin"}', '{"a":{"role":"root"}}', '{"a":{"role":"admin","tenant":"acme"}}'];
    for (const text of [...maps, '{"a":{"role":"admin","tenants":[]}}', '{"a":{"role":"admin","tenants":["A B"]}}']) {
      expect(faultsOf({ ...issuer, OIDC_ROLES: text })).toEqual([expect.stringMatching(/^OIDC_ROLES must be/)]);
    }
    expect(faultsOf({ ...issuer, OIDC_SCOPES: 'profile' })).toEqual(['OIDC_SCOPES must hold openid']);
  });
});

describe('the roles of a person', () => {
  const roles =
    readRoleMap('{"support":{"role":"operator","tenants":["acme"]},"admins":{"role":"admin"}}') ?? new Map();
  const support = { role: 'operator', tenants: ['acme'] };

  it('are read from a list, a text or an object, by the name of the claim or by its path', () => {
    for (const value of [
      ['staff', 'support', 'support', 7],
      'staff support',
      { support: { since: 2020 } },
      { support: true, admins: false },
    ]) {
      expect(grantsOf({ roles: value }, 'roles', roles)).toEqual([support]);
      expect(grantsOf({ realm_access: { roles: value } }, 'realm_access.roles', roles)).toEqual([support]);
      expect(grantsOf({ 'https://example.com/roles': value }, 'https://example.com/roles', roles)).toEqual([support]);
    }
    expect(grantsOf({ roles: ['support', 'admins'] }, 'roles', roles)).toEqual([support, { role: 'admin' }]);
  });

  it('are none for a claim that is missing, of another type, or inherited by every object', () => {
    for (const claims of [{}, { roles: null }, { roles: 7 }, { roles: [] }, { roles: ['constructor'] }]) {
      expect(grantsOf(claims, 'roles', roles)).toEqual([]);
    }
    expect(grantsOf({}, 'constructor.name', roles)).toEqual([]);
  });

  it('have the names of the roles themselves without a map', () => {
    const own = readRoleMap(undefined) ?? new Map();
    const claims = { roles: [...OPERATOR_ROLES, 'root'] };
    expect(grantsOf(claims, 'roles', own)).toEqual(OPERATOR_ROLES.map((role) => ({ role })));
  });
});
