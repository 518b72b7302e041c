import { Alert, Code, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api } from '../../api/client.js';
import { ApiProblem } from '../../api/problem.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { Time } from '../../components/time.js';
import { Dialog } from '../../components/dialog.js';
import { labelOf } from '../../texts/label.js';
import { texts } from '../../texts/texts.js';
import { logQuery } from './log-state.js';
import { eventText, verifyEvent } from './proof.js';

interface EventDetailProps {
  /** Undefined: closed. */
  readonly event: string | undefined;
  /** Of which the operator reads events; undefined: all. */
  readonly tenant: string | undefined;
  /** Keys that the operator has pinned. */
  readonly pinned: string | undefined;
  readonly onClose: () => void;
}

/** One event, with its proof verified in the browser. */
export function EventDetail({ event, tenant, pinned, onClose }: EventDetailProps) {
  return (
    <Dialog isOpen={event !== undefined} onClose={onClose} size="xl" title={texts.audit.event}>
      {event !== undefined && (
        <>
          <Proof event={event} tenant={tenant} pinned={pinned} />
          <Fields event={event} tenant={tenant} />
        </>
      )}
    </Dialog>
  );
}

type NamedEvent = Readonly<{ event: string; tenant: string | undefined }>;

const namesOf = ({ event, tenant }: NamedEvent) => ({ params: { path: { event }, query: { tenant } } });

function Fields({ event, tenant }: NamedEvent) {
  const { data, error } = useQuery({
    queryKey: ['event', event, tenant],
    queryFn: async () => (await api.GET('/v1/events/{event}', namesOf({ event, tenant }))).data,
  });
  if (error !== null) return <ProblemAlert error={error} />;
  if (data === undefined) return <Text role="status">{texts.loading}</Text>;
  const { columns } = texts.audit;
  const fields: readonly (readonly [string, string | null])[] = [
    [texts.audit.eventId, data.id],
    [columns.index, String(data.index)],
    [columns.type, `${labelOf(texts.words.kinds, data.type)} (${data.type})`],
    [columns.tenant, data.tenant],
    [columns.subject, data.subject],
    [columns.call, data.call],
  ];
  return (
    <>
      <Table my="sm">
        <Table.Tbody>
          <Table.Tr>
            <Table.Th scope="row">{columns.time}</Table.Th>
            <Table.Td>
              <Time at={data.time} />
            </Table.Td>
          </Table.Tr>
          {fields.map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th scope="row">{name}</Table.Th>
              <Table.Td>{value ?? texts.none}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {data.erased === true && <Text>{texts.audit.erased}</Text>}
      {data.personal !== undefined && (
        <>
          <Text fw={700}>{texts.audit.personal}</Text>
          <Code block>{JSON.stringify(data.personal, undefined, 2)}</Code>
        </>
      )}
    </>
  );
}

function Proof({ event, tenant, pinned }: NamedEvent & { readonly pinned: string | undefined }) {
  const log = useQuery(logQuery(tenant));
  const keys = pinned ?? log.data?.keys.join('\n');
  const { data, error: refusal } = useQuery({
    queryKey: ['proof', event, tenant, keys],
    enabled: keys !== undefined,
    queryFn: async () => {
      const { data: evidence } = await api.GET('/v1/events/{event}/proof', namesOf({ event, tenant }));
      if (evidence === undefined) throw new ApiProblem(0, 'unknown', '');
      return { result: await verifyEvent(evidence, event, keys ?? ''), text: eventText(evidence) };
    },
  });
  // Without a pinned key and without the log there is no key to verify with.
  const error = refusal ?? (keys === undefined ? log.error : null);
  if (error instanceof ApiProblem && error.status === 503)
    return <Alert color="yellow">{texts.audit.notCovered}</Alert>;
  // A browser without Ed25519 fails here too: nothing is shown as verified then.
  if (error !== null)
    return error instanceof ApiProblem ? (
      <ProblemAlert error={error} />
    ) : (
      <Alert color="red">{texts.audit.cannotVerify}</Alert>
    );
  if (data === undefined) return <Text role="status">{texts.audit.verifying}</Text>;
  const { result, text } = data;
  if (!result.holds)
    return (
      <Alert color="red" role="alert" title={texts.audit.refuted}>
        {texts.audit.faults[result.fault]}
      </Alert>
    );
  return (
    <>
      <Alert color={pinned === undefined ? 'yellow' : 'green'} role="status" title={texts.audit.verified}>
        {texts.audit.verifiedIn(result.size, result.origin)}{' '}
        {pinned === undefined ? texts.audit.verifiedByServerKey : texts.audit.verifiedByPinnedKey}
      </Alert>
      <Text fw={700} mt="sm">
        {texts.audit.bytes}
      </Text>
      <Code block tabIndex={0} aria-label={texts.audit.bytes}>
        {JSON.stringify(JSON.parse(text), undefined, 2)}
      </Code>
    </>
  );
}
