import { Button, Group, NativeSelect, Text, useMantineColorScheme, type MantineColorScheme } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet } from '@tanstack/react-router';
import { Suspense, useEffect, useState, type ReactNode } from 'react';
import {
  isPermitted,
  sessionQuery,
  signOut,
  useSessionState,
  useSessionWatch,
  type OperatorSession,
} from '../api/session.js';
import { announceSignIn, whenSignedInElsewhere } from '../api/sign-ins.js';
import { useKeptFocus } from '../components/kept-focus.js';
import { ProblemAlert } from '../components/problem-alert.js';
import { TenantProvider, TenantSelect } from '../components/tenant.js';
import { texts } from '../texts/texts.js';
import { Loading } from './fallbacks.js';
import { NAVIGATION } from './navigation.js';
import { RecentSignIn } from './recent-sign-in.js';
import { SignIn, SignInError } from './sign-in.js';
import styles from './shell.module.css';

/** Everything around a page: header, navigation, sign-in. */
export function Shell(): ReactNode {
  return (
    <Suspense fallback={<Loading />}>
      <SignedIn />
    </Suspense>
  );
}

function SignedIn() {
  const state = useSessionState();
  useSessionWatch();
  const operator = state.session?.operator.id;
  const [lastOperator, setLastOperator] = useState(operator);
  if (operator !== undefined && operator !== lastOperator) setLastOperator(operator);
  const queries = useQueryClient();
  useEffect(
    () => whenSignedInElsewhere(() => void queries.invalidateQueries({ queryKey: sessionQuery.queryKey })),
    [queries],
  );
  useEffect(
    // What the pages have read belongs to the operator who has left.
    () => () => queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== sessionQuery.queryKey[0] }),
    [queries, operator],
  );
  if (state.session === undefined) return <SignIn method={state.signIn} hasEnded={lastOperator !== undefined} />;
  return (
    <TenantProvider key={operator} tenants={state.session.operator.tenants}>
      <Frame session={state.session} />
    </TenantProvider>
  );
}

function Frame({ session }: { readonly session: OperatorSession }) {
  useKeptFocus();
  return (
    <div className={styles['shell']}>
      <a className={styles['skip']} href="#content">
        {texts.skipToContent}
      </a>
      <header className={styles['header']}>
        {session.development && <p className={styles['banner']}>{texts.session.development}</p>}
        <span className={styles['brand']}>{texts.product}</span>
        <TenantSelect session={session} />
        <ColorSchemeSelect />
        <Account session={session} />
      </header>
      <nav className={styles['navigation']} aria-label={texts.navigation}>
        <ul>
          {NAVIGATION.filter(({ permissions }) => permissions.some((one) => isPermitted(session, one))).map(
            ({ to, title }) => (
              <li key={to}>
                <Link to={to} activeOptions={{ exact: to === '/' }}>
                  {title}
                </Link>
              </li>
            ),
          )}
        </ul>
      </nav>
      <main className={styles['main']} id="content" tabIndex={-1}>
        <SignInError />
        <Outlet />
      </main>
      <RecentSignIn session={session} />
    </div>
  );
}

const SCHEMES: readonly MantineColorScheme[] = ['auto', 'light', 'dark'];

function ColorSchemeSelect() {
  // Without transitions, the library would insert a style element.
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  return (
    <NativeSelect
      aria-label={texts.colorScheme.label}
      value={colorScheme}
      onChange={(event) => setColorScheme(event.currentTarget.value as MantineColorScheme)}
      data={SCHEMES.map((value) => ({ value, label: texts.colorScheme[value] }))}
    />
  );
}

function Account({ session: { operator } }: { readonly session: OperatorSession }) {
  const queries = useQueryClient();
  const leave = useMutation({
    mutationFn: signOut,
    onSuccess: (address) => {
      // What the pages have read belongs to the operator who signed out.
      queries.clear();
      announceSignIn();
      location.assign(address);
    },
  });
  return (
    <Group gap="xs">
      <Text>
        {texts.session.signedInAs(operator.name, operator.roles.map((role) => texts.words.roles[role]).join(', '))}
      </Text>
      <Button variant="default" loading={leave.isPending} onClick={() => leave.mutate(false)}>
        {texts.session.signOut}
      </Button>
      <Button variant="default" loading={leave.isPending} onClick={() => leave.mutate(true)}>
        {texts.session.signOutEverywhere}
      </Button>
      <ProblemAlert error={leave.error} />
    </Group>
  );
}
