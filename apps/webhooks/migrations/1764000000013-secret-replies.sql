-- The last answer that showed a secret: the id of its command, and the secret as it was encrypted for that one request. A
-- repetition of the command gets this text again, and never the secret encrypted for other keys.
ALTER TABLE webhooks.webhooks ADD COLUMN reply_command text, ADD COLUMN reply_secret text;
