-- Closed periods, and entries of providers' facts that could not be written where they belong. Both
-- follow from the journal; what must hold between them and the books is held here. Ledgers that are
-- older than this have neither.

-- A period reaches from the end of the one before it to its own end, which is in the next one.
create table period (
  ledger_id bigint not null,
  closed_sequence bigint not null,
  end_time timestamptz not null check (isfinite(end_time)),
  close_time timestamptz not null,
  description text not null,
  primary key (ledger_id, closed_sequence),
  check (end_time <= close_time)
);

-- Side and amount are those of its entry on the suspense account, named by that account's version.
create table suspense_item (
  ledger_id bigint not null,
  sequence bigint not null,
  entry_index int not null check (entry_index >= 0),
  -- Where it belongs.
  account_id bigint not null,
  suspense_account_id bigint not null check (suspense_account_id <> account_id),
  suspense_version bigint not null,
  reason text not null check (reason in
    ('account-frozen', 'account-closed', 'period-closed', 'below-floor', 'above-ceiling')),
  -- The transaction that took it away, or the last of it, and its entry on the suspense account:
  -- a release, or a reversal of the transaction that put it there.
  released_sequence bigint,
  released_version bigint,
  primary key (ledger_id, sequence, entry_index),
  unique (suspense_account_id, suspense_version),
  unique (suspense_account_id, released_version),
  check (released_sequence > sequence),
  check (released_version > suspense_version),
  check ((released_sequence is null) = (released_version is null))
) with (fillfactor = 80);

create index suspense_item_open on suspense_item (ledger_id, sequence, entry_index)
  where released_sequence is null;

create trigger period_append_only before update or delete or truncate on period
  for each statement execute function refuse_change();
revoke update, delete, truncate on period from ledger_runtime;
create trigger suspense_item_keeps_rows before delete or truncate on suspense_item
  for each statement execute function refuse_change();
revoke delete, truncate on suspense_item from ledger_runtime;

-- Periods end one after the other, and each is a fact of the batch being written.

create function check_period() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  select fresh.ledger_id, fresh.closed_sequence into broken
  from fresh
  left join journal on journal.ledger_id = fresh.ledger_id
    and journal.sequence = fresh.closed_sequence
  left join ledger on ledger.id = fresh.ledger_id
  left join batch tip on tip.ledger_id = fresh.ledger_id
    and tip.last_sequence = ledger.head_sequence
  left join lateral (
    select earlier.end_time from period earlier
    where earlier.ledger_id = fresh.ledger_id and earlier.closed_sequence < fresh.closed_sequence
    order by earlier.closed_sequence desc limit 1
  ) previous on true
  where (journal.subject = 'bursar.ledger.v1.PeriodClosed'
    and fresh.closed_sequence >= tip.first_sequence
    and tip.written_by = pg_current_xact_id()
    and fresh.close_time = tip.recorded_time
    and fresh.end_time > coalesce(previous.end_time, '-infinity')
    and fresh.end_time <= ledger.closed_time) is not true
  limit 1;
  if found then
    raise exception 'period of ledger % closed at % does not continue the one before it',
      broken.ledger_id, broken.closed_sequence using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger period_order after insert on period
  referencing new table as fresh for each statement execute function check_period();

-- A ledger is closed up to the end of its last period. Only a row whose time changes is looked at.

create function check_closed_time() returns trigger language plpgsql
  set search_path from current
as $$
begin
  if new.closed_time is distinct from (
    select end_time from period
    where ledger_id = new.id order by closed_sequence desc limit 1)
  then
    raise exception 'ledger % is not closed up to %', new.id, new.closed_time
      using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger ledger_closed_time_insert after insert on ledger for each row
  when (new.closed_time is not null) execute function check_closed_time();
create trigger ledger_closed_time_update after update of closed_time on ledger for each row
  when (old.closed_time is distinct from new.closed_time) execute function check_closed_time();

-- Nothing new counts in a closed period. What a batch wrote before it closed one is not new.

create function check_open_period() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  perform from (
    select ledger_id, min(effective_time) as effective_time from fresh group by ledger_id
  ) earliest
  join ledger on ledger.id = earliest.ledger_id
  where earliest.effective_time < ledger.closed_time;
  if not found then
    return null;
  end if;

  select fresh.ledger_id, fresh.sequence, period.end_time into broken
  from fresh
  join period on period.ledger_id = fresh.ledger_id
    and period.closed_sequence < fresh.sequence and period.end_time > fresh.effective_time
  limit 1;
  if found then
    raise exception 'transaction % of ledger % counts before %, which is closed',
      broken.sequence, broken.ledger_id, broken.end_time using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger transaction_open_period after insert on transaction
  referencing new table as fresh for each statement execute function check_open_period();

-- An entry in suspense stands on the suspense account of its asset, written with its transaction;
-- what releases it takes it away from there, or the last of it, where reversals took a part before.

create function check_suspense() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  select fresh.ledger_id, fresh.sequence, fresh.entry_index into broken
  from fresh
  left join transaction on transaction.ledger_id = fresh.ledger_id
    and transaction.sequence = fresh.sequence
  left join account suspense on suspense.account_id = fresh.suspense_account_id
  left join account intended on intended.account_id = fresh.account_id
  left join entry held on held.account_id = fresh.suspense_account_id
    and held.version = fresh.suspense_version
  left join entry taken on taken.account_id = fresh.suspense_account_id
    and taken.version = fresh.released_version
  left join ledger on ledger.id = fresh.ledger_id
  left join batch tip on tip.ledger_id = fresh.ledger_id
    and tip.last_sequence = ledger.head_sequence
  where (held.sequence = fresh.sequence
    and fresh.entry_index < transaction.legs
    and suspense.account_code = 'liabilities:suspense'
    and suspense.ledger_id = fresh.ledger_id
    and intended.ledger_id = fresh.ledger_id
    and intended.asset_code = suspense.asset_code
    and coalesce(fresh.released_sequence, fresh.sequence) >= tip.first_sequence
    and tip.written_by = pg_current_xact_id()
    and (fresh.released_sequence is null
      or (taken.sequence = fresh.released_sequence
        and sign(taken.amount_minor) = -sign(held.amount_minor)
        and abs(taken.amount_minor) <= abs(held.amount_minor)))
    ) is not true
  limit 1;
  if found then
    raise exception 'entry % of transaction % of ledger % is not in suspense as it says',
      broken.entry_index, broken.sequence, broken.ledger_id using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger suspense_item_insert after insert on suspense_item
  referencing new table as fresh for each statement execute function check_suspense();
create trigger suspense_item_update after update on suspense_item
  referencing new table as fresh for each statement execute function check_suspense();

-- It is released once; nothing else about it changes. Rare, so it may look row by row.

create function refuse_other_suspense() returns trigger language plpgsql as $$
begin
  raise exception 'entry % of transaction % is put in suspense once and released once',
    old.entry_index, old.sequence using errcode = 'restrict_violation';
end $$;

create trigger suspense_item_identity before update on suspense_item for each row
  when (old.released_sequence is not null
    or (old.ledger_id, old.sequence, old.entry_index, old.account_id, old.suspense_account_id,
      old.suspense_version, old.reason)
    is distinct from (new.ledger_id, new.sequence, new.entry_index, new.account_id,
      new.suspense_account_id, new.suspense_version, new.reason))
  execute function refuse_other_suspense();
