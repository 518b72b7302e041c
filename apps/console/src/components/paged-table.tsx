import { Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { texts } from '../texts/texts.js';
import { DataTable, type Column } from './data-table.js';
import { ProblemAlert } from './problem-alert.js';

interface ListPage<Row> {
  readonly items: readonly Row[];
  readonly nextCursor: string | null;
}

interface PagedTableProps<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rowKey: (row: Row) => string;
  readonly empty?: string;
  readonly queryKey: readonly unknown[];
  /** @param cursor undefined for the first page */
  readonly load: (cursor: string | undefined) => Promise<ListPage<Row> | undefined>;
}

/** A list of the API, page by page. */
export function PagedTable<Row>({ queryKey, load, empty, ...table }: PagedTableProps<Row>) {
  const { data, error, hasNextPage, fetchNextPage, isFetching, refetch } = useInfiniteQuery({
    queryKey,
    initialPageParam: undefined as string | undefined,
    queryFn: async ({ pageParam }) => (await load(pageParam)) ?? { items: [], nextCursor: null },
    getNextPageParam: (page) => page.nextCursor ?? undefined,
    // A read of events is an event itself.
    refetchOnWindowFocus: false,
  });
  return (
    <>
      <ProblemAlert error={error} retry={() => void refetch()} />
      {data !== undefined && (
        <DataTable
          {...table}
          empty={hasNextPage ? texts.noneYet : (empty ?? texts.none)}
          rows={data.pages.flatMap(({ items }) => items)}
        />
      )}
      {hasNextPage && (
        <Button variant="default" mt="md" loading={isFetching} onClick={() => void fetchNextPage()}>
          {texts.more}
        </Button>
      )}
    </>
  );
}
