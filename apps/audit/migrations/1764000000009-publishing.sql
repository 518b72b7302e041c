-- What the publisher needs of an entry beside its bytes, so it never reads them: a value that it could not read would stop
-- all later ones.

-- Rows that exist were recorded in the default version, or are published already.
ALTER TABLE audit.inbox ADD COLUMN ocsf_version text NOT NULL DEFAULT '1.8.0';
ALTER TABLE audit.entries ADD COLUMN ocsf_version text NOT NULL DEFAULT '1.8.0';

-- An entry bundle gives the length of an entry in two bytes (c2sp.org/tlog-tiles). The service refuses longer events.
ALTER TABLE audit.inbox ADD CONSTRAINT inbox_value_fits CHECK (octet_length(value) <= 65535) NOT VALID;
