-- A dead letter that was handled after all stays on record, out of the operators' sight. It comes
-- back into sight when the same message is given up once more.
alter table dead_letter add column resolved_at timestamptz;
