import { type EventView } from '../api/event-view.js';
import { labelOf } from '../texts/label.js';
import { texts } from '../texts/texts.js';
import { DataTable, type Column } from './data-table.js';
import { SubjectLink } from './subject-link.js';
import { Time } from './time.js';

const columns = texts.events.columns;

const { kinds, outcomes } = texts.words;
/** Of events that are no attempt. It would say of a locked credential that all is well. */
const SUCCESS = 'Success';

const COLUMNS: readonly Column<EventView>[] = [
  { title: columns.time, cell: ({ time }) => <Time at={time} /> },
  { title: columns.kind, cell: ({ kind }) => labelOf(kinds, kind) },
  {
    title: columns.outcome,
    cell: ({ outcome }) => outcome !== undefined && outcome !== SUCCESS && labelOf(outcomes, outcome),
  },
  { title: columns.tenant, cell: ({ tenant }) => tenant },
  {
    title: columns.subject,
    cell: ({ tenant, subject }) =>
      subject !== undefined && (
        <SubjectLink tenant={tenant} subject={subject}>
          {subject}
        </SubjectLink>
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
