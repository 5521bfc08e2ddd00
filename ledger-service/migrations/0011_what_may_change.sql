-- Rows that change are named by columns that do not: whose they are, what they are called, in what
-- they count. The service has no right to write to those once they stand, nor a reason.

do $$
declare
  one record;
begin
  for one in
    select * from (values
      ('ledger', 'display_name, head_sequence, head_hash, create_time, recorded_time, closed_time'),
      ('asset', 'posted_minor'),
      ('account_state', 'debits_minor, credits_minor, version, sequence, debits_pending_minor,
        credits_pending_minor, status, floor_minor, ceiling_minor, changed_sequence,
        effective_time_max'),
      ('account_note', 'value'),
      ('payment', 'refunds_named_minor, refunds_stated_minor, refunds_failed_minor,
        disputed_minor, lost_minor, sequence'),
      ('hold', 'held_minor, captured_minor, voided_minor, status, sequence'),
      ('hold_total', 'debits_minor, credits_minor'),
      ('reversed_entry', 'reversed_minor, reversed_by'),
      ('suspense_item', 'released_sequence, released_version')
    ) as may_change (name, columns)
  loop
    execute format('revoke update on %I from ledger_runtime', one.name);
    execute format('grant update (%s) on %I to ledger_runtime', one.columns, one.name);
  end loop;
end $$;
