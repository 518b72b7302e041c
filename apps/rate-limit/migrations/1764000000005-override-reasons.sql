-- The reason of an override, as it was given. It replaces its keyed hash; of earlier overrides only the hash is known.
ALTER TABLE rate_limit.overrides ADD COLUMN reason text NOT NULL DEFAULT '';
-- Only copies of the previous version write and read it during a roll-out.
ALTER TABLE rate_limit.overrides ALTER COLUMN reason_key DROP NOT NULL;
