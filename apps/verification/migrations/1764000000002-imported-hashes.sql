-- The form of a hash that another system made, such as bcrypt:10; null: made here. The ciphertext is bound to it. References
-- without a subject get the forms of the tenant's credentials, so the time of a comparison does not reveal which subjects exist.
ALTER TABLE verification.credentials ADD COLUMN hash_form text;

CREATE INDEX credentials_imported ON verification.credentials (tenant, kind) WHERE hash_form IS NOT NULL;
