import { NativeSelect, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createContext, useContext, useState, type ReactNode } from 'react';
import { api } from '../api/client.js';
import { isPermitted, type OperatorSession } from '../api/session.js';
import { texts } from '../texts/texts.js';

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
  const [tenant, setTenant] = useState(() => {
    const stored = sessionStorage.getItem(STORED) ?? undefined;
    if (tenants === null || (stored !== undefined && tenants.includes(stored))) return stored;
    return tenants[0];
  });
  const choose = (chosen: string | undefined): void => {
    if (chosen === undefined) sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, chosen);
    setTenant(chosen);
  };
  return <Tenant value={{ tenant, choose }}>{children}</Tenant>;
}

const MOST_TENANTS = 200;

export function TenantSelect({ session }: { readonly session: OperatorSession }) {
  const { tenant, choose } = useContext(Tenant);
  const tenants = useQuery({
    queryKey: ['tenants', 'names'],
    enabled: session.operator.tenants === null && isPermitted(session, 'read'),
    queryFn: async () => (await api.GET('/v1/tenants', { params: { query: { limit: MOST_TENANTS } } })).data,
  });
  const names = [...(session.operator.tenants ?? (tenants.data?.items ?? []).map((item) => item.tenant))];
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

/** Shows its content for the chosen tenant, for pages that show one tenant at a time. */
export function ForTenant({ children }: { readonly children: (tenant: string) => ReactNode }) {
  const tenant = useTenant();
  return tenant === undefined ? <Text>{texts.tenant.needed}</Text> : children(tenant);
}
