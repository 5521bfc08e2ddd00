-- Notes on accounts, as they are now; and accounts that take no entries, held by the database.

-- The latest fact of an account says all of its notes, so they are replaced, not added to. What an
-- account is called stands here, too: accounts with a note are found in the order in which they are
-- listed, page by page, however many there are.
create table account_note (
  ledger_id bigint not null,
  account_id bigint not null,
  key text collate "C" not null check (key <> ''),
  value text collate "C" not null,
  account_code text collate "C" not null,
  asset_code text collate "C" not null,
  primary key (account_id, key)
);

-- By a hash of the value, which may be longer than an index takes.
create index account_note_value
  on account_note (ledger_id, key, hashtextextended(value, 0), account_code, asset_code);

revoke truncate on account_note from ledger_runtime;

create function check_account_note() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  select fresh.account_id, fresh.key into broken
  from fresh left join account using (account_id)
  where (account.ledger_id, account.account_code, account.asset_code)
    is distinct from (fresh.ledger_id, fresh.account_code, fresh.asset_code)
  limit 1;
  if found then
    raise exception 'note % is not on account %', broken.key, broken.account_id
      using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger account_note_insert after insert on account_note
  referencing new table as fresh for each statement execute function check_account_note();
create trigger account_note_update after update on account_note
  referencing new table as fresh for each statement execute function check_account_note();

-- Most accounts are open; the others are few, and asked for.
create index account_state_stopped on account_state (account_id) where status <> 'open';

-- An account is empty when it is closed, and nothing is written to it afterwards.
alter table account_state add constraint account_state_closed check (status <> 'closed'
  or (debits_minor = credits_minor and debits_pending_minor = 0 and credits_pending_minor = 0));

-- Status and limits change by a fact that says so, of the batch being written; and what is closed
-- stays closed. It is asked row by row, but only of rows that are changed in this, which are rare:
-- for all others the condition is all it costs.

create function check_account_change() returns trigger language plpgsql
  set search_path from current
as $$
begin
  if tg_op = 'UPDATE' and old.status = 'closed' then
    raise exception 'account % is closed for ever', new.account_id
      using errcode = 'restrict_violation';
  end if;
  if not exists (
    select from account
    join ledger on ledger.id = account.ledger_id
    join batch on batch.ledger_id = ledger.id and batch.last_sequence = ledger.head_sequence
    join journal on journal.ledger_id = ledger.id and journal.sequence = new.changed_sequence
    where account.account_id = new.account_id
      and journal.subject = 'bursar.ledger.v1.AccountUpdated'
      and new.changed_sequence >= batch.first_sequence
      and batch.written_by = pg_current_xact_id()
  ) then
    raise exception 'account % is changed by no fact', new.account_id
      using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger account_state_changed_insert after insert on account_state for each row
  when (new.status <> 'open') execute function check_account_change();
create trigger account_state_changed_update after update on account_state for each row
  when ((old.status, old.floor_minor, old.ceiling_minor, old.changed_sequence)
    is distinct from (new.status, new.floor_minor, new.ceiling_minor, new.changed_sequence))
  execute function check_account_change();

-- As in migration 2, and: nothing is written to an account that is frozen or closed.

create or replace function check_entry() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  with legs as materialized (
    select account.ledger_id, fresh.sequence, account.asset_code,
      sum(fresh.amount_minor) as difference, count(*) as legs
    from fresh left join account using (account_id)
    group by account.ledger_id, fresh.sequence, account.asset_code
  ), written as materialized (
    select ledger_id, sequence, bool_and(difference = 0) as balanced, sum(legs) as legs
    from legs group by ledger_id, sequence
  )
  select problem.sequence, problem.text into broken
  from (
    select sequence, 'has an entry on no account' as text from written where ledger_id is null
    union all
    select sequence, 'is not balanced' from written where not balanced
    union all
    select written.sequence, 'does not have the legs it says'
    from written
    left join transaction
      on transaction.ledger_id = written.ledger_id and transaction.sequence = written.sequence
    where transaction.legs is distinct from written.legs
    union all
    select first.sequence, 'was written before, its entries are complete'
    from (select ledger_id, min(sequence) as sequence from written group by ledger_id) first
    left join ledger on ledger.id = first.ledger_id
    left join batch on batch.ledger_id = first.ledger_id
      and batch.last_sequence = ledger.head_sequence
    where batch.first_sequence is null
      or first.sequence < batch.first_sequence
      or batch.written_by <> pg_current_xact_id()
  ) problem
  limit 1;
  if found then
    raise exception 'transaction % %', broken.sequence, broken.text
      using errcode = 'check_violation';
  end if;

  select numbered.account_id, numbered.version into broken
  from (
    select account_id, version, sequence, amount_minor, debits_minor_after, credits_minor_after,
      lag(version) over account_entries as version_before,
      lag(sequence) over account_entries as sequence_before,
      lag(debits_minor_after) over account_entries as debits_before,
      lag(credits_minor_after) over account_entries as credits_before
    from fresh window account_entries as (partition by account_id order by version)
  ) numbered
  left join lateral (
    select entry.version, entry.sequence, entry.debits_minor_after, entry.credits_minor_after
    from entry
    where numbered.version_before is null
      and entry.account_id = numbered.account_id and entry.version = numbered.version - 1
  ) previous on true
  where numbered.version <> coalesce(numbered.version_before, previous.version, 0) + 1
    or numbered.sequence < coalesce(numbered.sequence_before, previous.sequence + 1, 0)
    or numbered.debits_minor_after
      <> coalesce(numbered.debits_before, previous.debits_minor_after, 0)
        + greatest(numbered.amount_minor, 0)
    or numbered.credits_minor_after
      <> coalesce(numbered.credits_before, previous.credits_minor_after, 0)
        - least(numbered.amount_minor, 0)
  limit 1;
  if found then
    raise exception 'entry % of account % does not continue the one before it',
      broken.version, broken.account_id using errcode = 'check_violation';
  end if;

  select written.account_id, written.version,
    case when account_state.version is distinct from written.version
      then 'is not counted in its state' else 'is on an account that takes none' end as text
  into broken
  from (
    select account_id, max(version) as version, max(sequence) as sequence
    from fresh group by account_id
  ) written
  left join account_state using (account_id)
  where account_state.version is distinct from written.version
    -- What was posted before it was frozen or closed may be of the same batch.
    or (account_state.status <> 'open' and written.sequence > account_state.changed_sequence)
  limit 1;
  if found then
    raise exception 'entry % of account % %', broken.version, broken.account_id, broken.text
      using errcode = 'check_violation';
  end if;
  return null;
end $$;
