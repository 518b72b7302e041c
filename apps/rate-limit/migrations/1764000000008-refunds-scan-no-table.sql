-- A plan from the time when the table was small is kept, and must not scan the table when it is large: as in `decide`.
ALTER FUNCTION rate_limit.refund(uuid[], bigint, int[], int[], float8[]) SET enable_seqscan = off;
