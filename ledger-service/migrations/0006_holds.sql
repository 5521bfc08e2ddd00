-- Holds: money set aside on two accounts. What a hold is called and carries stands in the journal,
-- under the sequence that names it; here stands what changes, and what it is looked up by.

create table hold (
  ledger_id bigint not null,
  -- Sequence of the fact that made it.
  hold_sequence bigint not null,
  debit_account_id bigint not null,
  credit_account_id bigint not null check (credit_account_id <> debit_account_id),
  held_minor bigint not null check (held_minor > 0),
  captured_minor bigint not null check (captured_minor >= 0),
  voided_minor bigint not null check (voided_minor >= 0),
  tolerance_minor bigint not null check (tolerance_minor >= 0),
  -- Captures may exceed what was held, by the tolerance; then nothing is left.
  remaining_minor bigint not null generated always as
    (greatest(held_minor - captured_minor - voided_minor, 0)) stored,
  status text not null,
  expire_time timestamptz,
  -- Of the latest fact that changed it.
  sequence bigint not null check (sequence >= hold_sequence),
  primary key (ledger_id, hold_sequence),
  constraint hold_bounds check (captured_minor + voided_minor <= held_minor + tolerance_minor
    and voided_minor <= held_minor),
  constraint hold_status check (case status
    when 'open' then captured_minor + voided_minor < held_minor
    when 'captured' then captured_minor + voided_minor >= held_minor and captured_minor > 0
    when 'voided' then voided_minor = held_minor and captured_minor = 0
    when 'expired' then captured_minor + voided_minor = held_minor and voided_minor > 0
      and expire_time is not null
    else false end)
) with (fillfactor = 80);

-- Those of an account, or of a ledger, in the order in which they were made, by status or all.
create index hold_debit on hold (debit_account_id, status, hold_sequence);
create index hold_credit on hold (credit_account_id, status, hold_sequence);
create index hold_ledger on hold (ledger_id, status, hold_sequence);
-- Open ones whose time is over, or will be. Each index says in words of its own that a hold is open,
-- and so do the queries: a plan that was made while the table was empty would otherwise take one for
-- the other, and stay while the table grows.
create index hold_debit_due on hold (debit_account_id, expire_time)
  where status = 'open' and expire_time is not null;
create index hold_credit_due on hold (credit_account_id, expire_time)
  where captured_minor + voided_minor < held_minor and expire_time is not null;
create index hold_ledger_due on hold (ledger_id, expire_time)
  where remaining_minor > 0 and expire_time is not null;

-- What is left of all open holds of an account, on each side. The database keeps these sums itself,
-- to compare them with what the account says is pending. Within a statement they may leave bigint:
-- what is new is added before what has ended is taken away.
create table hold_total (
  account_id bigint primary key,
  debits_minor numeric not null,
  credits_minor numeric not null
) with (fillfactor = 50);

do $$
declare
  name text;
begin
  foreach name in array array['hold', 'hold_total'] loop
    execute format(
      'create trigger %I before delete or truncate on %I
       for each statement execute function refuse_change()', name || '_keeps_rows', name);
    execute format('revoke delete, truncate on %I from ledger_runtime', name);
  end loop;
end $$;

-- A hold is a fact: the latest one that changed it is of the batch being written, and says what
-- kind of change it was. The journal's bytes say by how much; who recomputes the books compares.

create function check_hold() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  select fresh.ledger_id, fresh.hold_sequence into broken
  from fresh
  left join journal made on made.ledger_id = fresh.ledger_id
    and made.sequence = fresh.hold_sequence
  left join journal latest on latest.ledger_id = fresh.ledger_id
    and latest.sequence = fresh.sequence
  left join ledger on ledger.id = fresh.ledger_id
  left join batch on batch.ledger_id = fresh.ledger_id
    and batch.last_sequence = ledger.head_sequence
  where made.subject is distinct from 'bursar.ledger.v1.HoldCreated'
    or not coalesce(case latest.subject
      when 'bursar.ledger.v1.HoldCreated' then fresh.sequence = fresh.hold_sequence
        and fresh.captured_minor = 0 and fresh.voided_minor = 0
      when 'bursar.ledger.v1.HoldIncreased' then fresh.status = 'open'
      when 'bursar.ledger.v1.HoldVoided' then fresh.voided_minor > 0
        and fresh.status <> 'expired'
      when 'bursar.ledger.v1.TransactionPosted' then fresh.captured_minor > 0
        and fresh.status in ('open', 'captured')
      when 'bursar.ledger.v1.HoldExpired' then fresh.status = 'expired'
      end, false)
    or batch.first_sequence is null
    or fresh.sequence < batch.first_sequence
    or batch.written_by <> pg_current_xact_id()
  limit 1;
  if found then
    raise exception 'hold % of ledger % is not what the journal says',
      broken.hold_sequence, broken.ledger_id using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger hold_journal_insert after insert on hold
  referencing new table as fresh for each statement execute function check_hold();
create trigger hold_journal_update after update on hold
  referencing new table as fresh for each statement execute function check_hold();

-- A hold is made whole by the batch that makes it, between two accounts of its ledger and of one
-- asset.

create function add_holds() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  select fresh.ledger_id, fresh.hold_sequence into broken
  from fresh
  left join account debit on debit.account_id = fresh.debit_account_id
  left join account credit on credit.account_id = fresh.credit_account_id
  left join ledger on ledger.id = fresh.ledger_id
  left join batch on batch.ledger_id = fresh.ledger_id
    and batch.last_sequence = ledger.head_sequence
  where debit.ledger_id is distinct from fresh.ledger_id
    or credit.ledger_id is distinct from fresh.ledger_id
    or debit.asset_code is distinct from credit.asset_code
    or fresh.hold_sequence < batch.first_sequence
  limit 1;
  if found then
    raise exception 'hold % is not between two accounts of ledger % in one asset, or too late',
      broken.hold_sequence, broken.ledger_id using errcode = 'check_violation';
  end if;

  insert into hold_total as total (account_id, debits_minor, credits_minor)
  select account_id, sum(debits_minor), sum(credits_minor)
  from (
    select debit_account_id as account_id, remaining_minor as debits_minor, 0 as credits_minor
    from fresh
    union all
    select credit_account_id, 0, remaining_minor from fresh
  ) step
  group by account_id
  on conflict (account_id) do update set
    debits_minor = total.debits_minor + excluded.debits_minor,
    credits_minor = total.credits_minor + excluded.credits_minor;
  return null;
end $$;

create trigger hold_total_insert after insert on hold
  referencing new table as fresh for each statement execute function add_holds();

-- What it is does not change, its amounts only grow, and what has ended stays as it is.

create function change_holds() returns trigger language plpgsql
  set search_path from current
  set enable_nestloop = off
as $$
declare
  broken record;
begin
  select stale.ledger_id, stale.hold_sequence into broken
  from stale left join fresh using (ledger_id, hold_sequence)
  where (fresh.debit_account_id, fresh.credit_account_id, fresh.tolerance_minor,
      fresh.expire_time)
    is distinct from (stale.debit_account_id, stale.credit_account_id, stale.tolerance_minor,
      stale.expire_time)
    or fresh.held_minor < stale.held_minor
    or fresh.captured_minor < stale.captured_minor
    or fresh.voided_minor < stale.voided_minor
    -- Only a capture may exceed what is held.
    or fresh.voided_minor - stale.voided_minor
      > stale.remaining_minor + (fresh.held_minor - stale.held_minor)
    or fresh.sequence <= stale.sequence
    or stale.status <> 'open'
  limit 1;
  if found then
    raise exception 'hold % of ledger % cannot become that: it is made once, grows, and ends',
      broken.hold_sequence, broken.ledger_id using errcode = 'restrict_violation';
  end if;

  insert into hold_total as total (account_id, debits_minor, credits_minor)
  select account_id, sum(debits_minor), sum(credits_minor)
  from (
    select debit_account_id as account_id, remaining_minor as debits_minor, 0 as credits_minor
    from fresh
    union all
    select credit_account_id, 0, remaining_minor from fresh
    union all
    select debit_account_id, -remaining_minor, 0 from stale
    union all
    select credit_account_id, 0, -remaining_minor from stale
  ) step
  group by account_id
  on conflict (account_id) do update set
    debits_minor = total.debits_minor + excluded.debits_minor,
    credits_minor = total.credits_minor + excluded.credits_minor;
  return null;
end $$;

create trigger hold_total_update after update on hold
  referencing new table as fresh old table as stale
  for each statement execute function change_holds();

-- Nobody but these triggers keeps the sums.

create function refuse_by_hand() returns trigger language plpgsql as $$
begin
  if pg_trigger_depth() < 2 then
    raise exception '% is kept by the database: % by hand refused', tg_table_name, lower(tg_op)
      using errcode = 'restrict_violation';
  end if;
  return null;
end $$;

create trigger hold_total_by_hand before insert or update on hold_total
  for each statement execute function refuse_by_hand();

-- What is pending on an account is what is left of its open holds: compared when both are written,
-- at the end of the SQL transaction, and only for accounts where either has changed. It is a check
-- row by row, of a table that batches without holds do not touch.

create function check_pending() returns trigger language plpgsql
  set search_path from current
as $$
begin
  if not exists (
    select from account_state join hold_total using (account_id)
    where account_id = new.account_id and debits_pending_minor = hold_total.debits_minor
      and credits_pending_minor = hold_total.credits_minor
  ) then
    raise exception 'what is pending on account % is not what its holds set aside',
      new.account_id using errcode = 'check_violation';
  end if;
  return null;
end $$;

create constraint trigger hold_total_pending after insert or update on hold_total
  deferrable initially deferred for each row execute function check_pending();

-- An account that says that something else is pending than it said before is compared, too. The
-- usual batch knows no holds, and looks no further than at its own rows.

create function compare_first_pending() returns trigger language plpgsql
  set search_path from current
as $$
begin
  insert into hold_total as total (account_id, debits_minor, credits_minor)
  select account_id, 0, 0 from fresh
  where debits_pending_minor > 0 or credits_pending_minor > 0
  on conflict (account_id) do update set debits_minor = total.debits_minor;
  return null;
end $$;

create function compare_pending() returns trigger language plpgsql
  set search_path from current
as $$
begin
  if not exists (select from fresh where debits_pending_minor > 0 or credits_pending_minor > 0)
    and not exists (select from stale where debits_pending_minor > 0 or credits_pending_minor > 0)
  then
    return null;
  end if;
  insert into hold_total as total (account_id, debits_minor, credits_minor)
  select distinct account_id, 0, 0
  from (
    (select account_id, debits_pending_minor, credits_pending_minor from fresh
      except select account_id, debits_pending_minor, credits_pending_minor from stale)
    union all
    (select account_id, debits_pending_minor, credits_pending_minor from stale
      except select account_id, debits_pending_minor, credits_pending_minor from fresh)
  ) changed
  on conflict (account_id) do update set debits_minor = total.debits_minor;
  return null;
end $$;

create trigger account_state_pending_insert after insert on account_state
  referencing new table as fresh for each statement execute function compare_first_pending();
create trigger account_state_pending_update after update on account_state
  referencing new table as fresh old table as stale
  for each statement execute function compare_pending();
