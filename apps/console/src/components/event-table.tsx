import { Link } from '@tanstack/react-router';
import { type EventView } from '../api/event-view.js';
import { texts } from '../texts/texts.js';
import { DataTable, type Column } from './data-table.js';
import { Time } from './time.js';

const columns = texts.events.columns;

const COLUMNS: readonly Column<EventView>[] = [
  { title: columns.time, cell: ({ time }) => <Time at={time} /> },
  { title: columns.kind, cell: ({ kind }) => kind },
  { title: columns.outcome, cell: ({ outcome }) => outcome },
  { title: columns.tenant, cell: ({ tenant }) => tenant },
  {
    title: columns.subject,
    cell: ({ tenant, subject }) =>
      subject !== undefined && (
        <Link to="/subjects/$tenant/$subject" params={{ tenant, subject }}>
          {subject}
        </Link>
      ),
  },
  { title: columns.agent, cell: ({ agent }) => agent },
  { title: columns.caller, cell: ({ callerTail }) => callerTail && texts.events.callerTail(callerTail) },
  { title: columns.actor, cell: ({ actor }) => actor },
  { title: columns.reason, cell: ({ reason }) => reason },
];

interface EventTableProps {
  readonly label: string;
  readonly events: readonly EventView[];
  readonly empty?: string;
}

export function EventTable({ label, events, empty = texts.events.empty }: EventTableProps) {
  return <DataTable label={label} columns={COLUMNS} rows={events} rowKey={({ id }) => id} empty={empty} />;
}
