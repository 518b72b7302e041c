/** People with accounts at the provider. */
export const ACCOUNTS = {
  anna: { name: 'Anna Admin', roles: ['admin'] },
  otto: { name: 'Otto Operator', roles: ['staff', 'operator'] },
  vera: { name: 'Vera Viewer', roles: ['viewer'] },
  rita: { name: 'Rita Auditor', roles: ['auditor'] },
  bob: { name: 'Bob of Acme', roles: ['acme-operators', 'acme-auditors'] },
  nora: { name: 'Nora Nobody', roles: ['staff'] },
};
export const ROLES = {
  ...Object.fromEntries(['viewer', 'operator', 'admin', 'auditor'].map((role) => [role, { role }])),
  'acme-operators': { role: 'operator', tenants: ['acme'] },
  'acme-auditors': { role: 'auditor', tenants: ['acme'] },
};
export const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/** An event as the API shows it, with what the tests read of it. */
export interface OperatorEvent {
  readonly class_uid: number;
  readonly activity_id: number;
  readonly status_id: number;
  readonly actor?: { readonly user: object };
  readonly user?: { readonly uid: string };
  readonly src_endpoint?: object;
  readonly unmapped: { readonly detail?: object };
}
