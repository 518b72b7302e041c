-- The idle time of a session, in seconds: that of the adapter which started or used it last. Null: started by an earlier version and
-- not used since, so only its absolute time ends it.
ALTER TABLE directory.operator_sessions ADD COLUMN idle_seconds integer;
