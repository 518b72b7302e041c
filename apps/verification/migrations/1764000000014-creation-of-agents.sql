-- When the agent of a success was created. An agent that is created again under the id of a deleted one must not read what that
-- one verified. Null: the success was recorded before this column, and holds for no agent any more.
ALTER TABLE verification.attempts ADD COLUMN agent_created_at timestamptz;
