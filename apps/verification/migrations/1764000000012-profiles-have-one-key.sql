-- A profile is always encrypted under the subject's own key, so its row names no key.
ALTER TABLE verification.subjects DROP COLUMN profile_key_id;
