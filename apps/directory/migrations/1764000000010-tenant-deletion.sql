-- Null while the tenant is not being deleted; else the services that have erased its data.
ALTER TABLE directory.tenants ADD COLUMN deletion jsonb;
