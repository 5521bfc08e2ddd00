-- Accounts that can be frozen, closed and limited; holds that are pending on them; and entries that
-- know when they count. Older rows get what follows from what they are.

alter table ledger add column closed_time timestamptz;

alter table account_state
  add column grows_by_debits boolean,
  add column debits_pending_minor bigint not null default 0 check (debits_pending_minor >= 0),
  add column credits_pending_minor bigint not null default 0 check (credits_pending_minor >= 0),
  add column status text not null default 'open' check (status in ('open', 'frozen', 'closed')),
  add column floor_minor bigint,
  add column ceiling_minor bigint,
  add column changed_sequence bigint not null default 0 check (changed_sequence >= 0),
  -- Latest effective time among its entries.
  add column effective_time_max timestamptz;

alter table entry
  add column effective_time timestamptz,
  -- Latest effective time among the account's entries up to this one. It never falls from one
  -- version to the next, so a time is found among them by halving.
  add column effective_time_max timestamptz;

-- The rows are the owner's to complete, once: what they say does not change.
alter table entry disable trigger entry_append_only;
update entry set effective_time = known.effective_time,
  effective_time_max = known.effective_time_max
from (
  select account_id, version, transaction.effective_time,
    max(transaction.effective_time) over (partition by account_id order by version)
      as effective_time_max
  from entry
  join account using (account_id)
  join transaction on transaction.ledger_id = account.ledger_id
    and transaction.sequence = entry.sequence
) known
where known.account_id = entry.account_id and known.version = entry.version;
alter table entry enable trigger entry_append_only;

update account_state set grows_by_debits = account.kind in ('asset', 'expense'),
  changed_sequence = account.opened_sequence,
  effective_time_max = (
    select entry.effective_time_max from entry
    where entry.account_id = account_state.account_id and entry.version = account_state.version)
from account where account.account_id = account_state.account_id;

alter table entry
  alter column effective_time set not null,
  alter column effective_time_max set not null,
  add check (effective_time <= effective_time_max);

-- An older release that still runs does not write these columns. What it hears then is what it would
-- hear of a column that is missing, and so it waits, and blames no payment for it.
create function refuse_older_release() returns text language plpgsql as $$
begin
  raise exception 'this schema is of a newer release than the one that writes to it'
    using errcode = 'undefined_column';
end $$;
alter table entry alter column effective_time set default refuse_older_release()::timestamptz;
alter table account_state
  alter column grows_by_debits set default refuse_older_release()::boolean;

-- Limits hold in the direction in which the account grows. Pending and posted amounts of a column
-- together stay within bigint (check below), so none of these sums can overflow.
alter table account_state
  alter column grows_by_debits set not null,
  add check (debits_minor <= 9223372036854775807 - debits_pending_minor),
  add check (credits_minor <= 9223372036854775807 - credits_pending_minor),
  add constraint account_state_floor check (floor_minor is null or floor_minor <=
    case when grows_by_debits then debits_minor - credits_minor - credits_pending_minor
      else credits_minor - debits_minor - debits_pending_minor end),
  add constraint account_state_ceiling check (ceiling_minor is null or ceiling_minor >=
    case when grows_by_debits then debits_minor - credits_minor + debits_pending_minor
      else credits_minor - debits_minor + credits_pending_minor end);
