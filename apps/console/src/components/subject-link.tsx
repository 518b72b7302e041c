import { Anchor } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactNode } from 'react';
import { couldBeNumber } from '../api/possible-number.js';
import { usePermission } from '../api/session.js';
import { subjectWithId } from '../api/subject-search.js';
import { texts } from '../texts/texts.js';
import { useAnnounce } from './announcer.js';

interface SubjectLinkProps {
  readonly tenant: string;
  readonly subject: string;
  readonly children: ReactNode;
}

/**
 * A subject that an event names, as a link for an operator who may read subjects. A caller can have said digits that are the id of
 * no subject, so those that could be a telephone number are searched before they become part of an address.
 */
export function SubjectLink({ tenant, subject, children }: SubjectLinkProps) {
  if (!usePermission('read', tenant)) return children;
  if (couldBeNumber(subject)) {
    return (
      <SearchedLink tenant={tenant} subject={subject}>
        {children}
      </SearchedLink>
    );
  }
  return (
    <Link to="/subjects/$tenant/$subject" params={{ tenant, subject }}>
      {children}
    </Link>
  );
}

function SearchedLink({ tenant, subject, children }: SubjectLinkProps) {
  const navigate = useNavigate();
  const announce = useAnnounce();
  const search = useMutation({
    mutationFn: () => subjectWithId(tenant, subject),
    onError: () => announce(texts.problem.title),
    onSuccess: async (found) => {
      if (found === undefined) return announce(texts.subjects.notFound);
      await navigate({ to: '/subjects/$tenant/$subject', params: { tenant, subject } });
    },
  });
  return (
    <>
      <Anchor component="button" type="button" onClick={() => search.mutate()}>
        {children}
      </Anchor>
      {search.isSuccess && search.data === undefined && ` (${texts.subjects.notFound})`}
      {search.isError && ` (${texts.problem.title})`}
    </>
  );
}
