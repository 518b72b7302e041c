import { Table, Text } from '@mantine/core';
import { type ReactNode } from 'react';
import { texts } from '../texts/texts.js';

export interface Column<Row> {
  readonly title: string;
  /** Left out, for example because the operator may do nothing in it. */
  readonly isHidden?: boolean;
  readonly cell: (row: Row) => ReactNode;
}

interface DataTableProps<Row> {
  /** What the table shows, for screen readers. */
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  /** Shown instead of a table without rows. */
  readonly empty?: string;
}

export function DataTable<Row>({ label, columns: all, rows, rowKey, empty = texts.none }: DataTableProps<Row>) {
  const columns = all.filter(({ isHidden }) => isHidden !== true);
  if (rows.length === 0) return <Text c="dimmed">{empty}</Text>;
  return (
    // A wide table scrolls by itself, also with the keyboard.
    <div role="group" aria-label={label} tabIndex={0} className="scrolls">
      <Table aria-label={label} verticalSpacing="xs" striped>
        <Table.Thead>
          <Table.Tr>
            {columns.map(({ title }) => (
              <Table.Th key={title} scope="col">
                {title}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={rowKey(row)}>
              {columns.map(({ title, cell }) => (
                <Table.Td key={title}>{cell(row)}</Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
