import { Button, Group, NativeSelect, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createContext, useContext, useState, type FormEvent, type ReactNode } from 'react';
import { api } from '../api/client.js';
import { couldBeNumber } from '../api/possible-number.js';
import { isPermitted, tenantsWith, useSession, type OperatorSession, type Permission } from '../api/session.js';
import { texts } from '../texts/texts.js';
import { Page } from './page.js';

interface ChosenTenant {
  /** Undefined: all tenants that the operator may see. */
  readonly tenant: string | undefined;
  readonly choose: (tenant: string | undefined) => void;
}

const Tenant = createContext<ChosenTenant>({ tenant: undefined, choose: () => undefined });
const STORED = 'countersign-tenant';

/** The tenant that the pages show, as the operator chose it at the top. */
export const useTenant = (): string | undefined => useContext(Tenant).tenant;

/** Chooses the tenant that the pages show. */
export const useChooseTenant = (): ChosenTenant['choose'] => useContext(Tenant).choose;

interface TenantProviderProps {
  /** Those of the operator; null: all. An operator of some tenants always sees one of them. */
  readonly tenants: readonly string[] | null;
  readonly children: ReactNode;
}

/** Keeps the chosen tenant while the browser tab is open. */
export function TenantProvider({ tenants, children }: TenantProviderProps) {
  const [chosen, setChosen] = useState(() => sessionStorage.getItem(STORED) ?? undefined);
  // Derived each time, because another sign-in can change the roles while the page is open.
  const tenant = tenants === null || (chosen !== undefined && tenants.includes(chosen)) ? chosen : tenants[0];
  const choose = (next: string | undefined): void => {
    if (next === undefined) sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, next);
    setChosen(next);
  };
  return <Tenant value={{ tenant, choose }}>{children}</Tenant>;
}

const MOST_TENANTS = 200;

export function TenantSelect({ session }: { readonly session: OperatorSession }) {
  const { tenant, choose } = useContext(Tenant);
  const tenants = useQuery({
    queryKey: ['tenants', 'names'],
    enabled: session.operator.tenants === null && tenantsWith(session, 'read') === null,
    queryFn: async () => (await api.GET('/v1/tenants', { params: { query: { limit: MOST_TENANTS } } })).data,
  });
  const listed = (tenants.data?.items ?? []).map((item) => item.tenant);
  const isPartial = tenantsWith(session, 'read') !== null || typeof tenants.data?.nextCursor === 'string';
  // An operator who may not list all tenants, or has more than a list shows, names one.
  if (session.operator.tenants === null && isPartial) return <TenantField names={listed} />;
  const names = [...(session.operator.tenants ?? listed)];
  if (tenant !== undefined && !names.includes(tenant)) names.unshift(tenant);
  return (
    <NativeSelect
      aria-label={texts.tenant.label}
      value={tenant ?? ''}
      onChange={(event) => choose(event.currentTarget.value || undefined)}
      data={session.operator.tenants === null ? [{ value: '', label: texts.tenant.all }, ...names] : names}
    />
  );
}

/** Takes the id of any tenant. @param names that it suggests */
function TenantField({ names }: { readonly names: readonly string[] }) {
  const { tenant, choose } = useContext(Tenant);
  const [typed, setTyped] = useState(tenant ?? '');
  const [shown, setShown] = useState(tenant);
  // Chosen elsewhere, such as on the page Tenants.
  if (shown !== tenant) {
    setShown(tenant);
    setTyped(tenant ?? '');
  }
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    choose(typed.trim() || undefined);
  };
  return (
    <form onSubmit={onSubmit}>
      <Group gap="xs">
        <TextInput
          aria-label={texts.tenant.of}
          placeholder={texts.tenant.all}
          value={typed}
          maxLength={63}
          list="tenant-names"
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <Button type="submit" variant="default" disabled={couldBeNumber(typed) && !names.includes(typed.trim())}>
          {texts.tenant.apply}
        </Button>
      </Group>
      <datalist id="tenant-names">
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </form>
  );
}

/** What a page shows: one tenant, all of them (undefined), or nothing until one is chosen, or without a role. */
export type VisibleTenant =
  { readonly is: 'shown'; readonly tenant: string | undefined } | { readonly is: 'to-choose' | 'not-permitted' };

/** The tenants of the pages for which the operator has a permission. Undefined only when roles permit all tenants. */
export function useVisibleTenant(permission: Permission): VisibleTenant {
  const session = useSession();
  const tenant = useTenant();
  if (!isPermitted(session, permission, tenant)) return { is: 'not-permitted' };
  const tenants = tenantsWith(session, permission);
  if (tenant !== undefined || tenants === null) return { is: 'shown', tenant };
  return tenants.length === 1 ? { is: 'shown', tenant: tenants[0] } : { is: 'to-choose' };
}

interface ForTenantProps {
  /** That the page needs. */
  readonly permission: Permission;
  readonly children: (tenant: string) => ReactNode;
}

/** Shows its content for the chosen tenant, for pages that show one tenant at a time. */
export function ForTenant({ permission, children }: ForTenantProps) {
  const visible = useVisibleTenant(permission);
  if (visible.is === 'not-permitted') return <Text>{texts.notPermitted}</Text>;
  if (visible.is !== 'shown' || visible.tenant === undefined) return <Text>{texts.tenant.needed}</Text>;
  return children(visible.tenant);
}

interface ForTenantsProps {
  readonly title: string;
  readonly permission: Permission;
  readonly children: (tenant: string | undefined) => ReactNode;
}

/** A page of one tenant or of all. Without a tenant to show, the page with its title states why. */
export function ForTenants({ title, permission, children }: ForTenantsProps) {
  const visible = useVisibleTenant(permission);
  const chosen = useTenant();
  if (visible.is === 'shown') {
    return (
      <>
        {visible.tenant !== undefined && visible.tenant !== chosen && <Text>{texts.tenant.only(visible.tenant)}</Text>}
        {children(visible.tenant)}
      </>
    );
  }
  return (
    <Page title={title}>
      <Text>{visible.is === 'to-choose' ? texts.tenant.needed : texts.notPermitted}</Text>
    </Page>
  );
}
