-- What must hold in the books, held by the database itself: whoever writes here, with whatever
-- code, cannot commit books that do not add up. Every check looks at a whole statement's rows at
-- once, because checks row by row cost more than the writes they guard.
--
-- The checks join by index and never scan: their plans are kept while the tables grow from nothing,
-- and a plan that was right for an empty table would be ruinous for a full one.

-- Append-only: what is written is never changed. Not by the runtime role, not by the owner.

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only: % refused', tg_table_name, lower(tg_op)
    using errcode = 'restrict_violation';
end $$;

do $$
declare
  name text;
begin
  foreach name in array
    array['journal', 'batch', 'account', 'transaction', 'entry', 'idempotency', 'fact']
  loop
    execute format(
      'create trigger %I before update or delete or truncate on %I
       for each statement execute function refuse_change()', name || '_append_only', name);
    execute format('revoke update, delete, truncate on %I from ledger_runtime', name);
  end loop;
  -- These change, but their rows stay.
  foreach name in array array['ledger', 'asset', 'account_state', 'payment'] loop
    execute format(
      'create trigger %I before delete or truncate on %I
       for each statement execute function refuse_change()', name || '_keeps_rows', name);
    execute format('revoke delete, truncate on %I from ledger_runtime', name);
  end loop;
end $$;

-- A payment's totals change, what they belong to does not.

create function refuse_other_payment() returns trigger language plpgsql as $$
begin
  raise exception 'payment % of ledger % is made once: who it is does not change',
    old.payment_id, old.ledger_id using errcode = 'restrict_violation';
end $$;

create trigger payment_identity before update on payment for each row
  when ((old.ledger_id, old.payment_id, old.order_id, old.currency_code, old.paid_minor,
      old.first_sequence)
    is distinct from (new.ledger_id, new.payment_id, new.order_id, new.currency_code,
      new.paid_minor, new.first_sequence))
  execute function refuse_other_payment();

-- Sequences are dense, and batches form one chain: each begins where the one before it ended, with
-- its hash, later in time; its facts are all there; and it is the head of its ledger.

create function check_batch() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  select fresh.ledger_id, fresh.first_sequence into broken
  from fresh
  left join batch previous on previous.ledger_id = fresh.ledger_id
    and previous.last_sequence = fresh.first_sequence - 1
  where case when fresh.first_sequence = 1
      then fresh.previous_hash <> decode(repeat('00', 32), 'hex')
      else previous.hash is distinct from fresh.previous_hash
        or previous.recorded_time >= fresh.recorded_time
    end
  limit 1;
  if found then
    raise exception 'batch of ledger % at % does not continue the chain',
      broken.ledger_id, broken.first_sequence using errcode = 'check_violation';
  end if;

  select fresh.ledger_id, fresh.first_sequence into broken
  from fresh
  where fresh.last_sequence - fresh.first_sequence + 1 <> (
    select count(*) from journal
    where journal.ledger_id = fresh.ledger_id
      and journal.sequence between fresh.first_sequence and fresh.last_sequence)
  limit 1;
  if found then
    raise exception 'batch of ledger % at % has gaps in its facts',
      broken.ledger_id, broken.first_sequence using errcode = 'check_violation';
  end if;

  select fresh.ledger_id, max(fresh.last_sequence) as last_sequence into broken
  from fresh left join ledger on ledger.id = fresh.ledger_id
  group by fresh.ledger_id, ledger.head_sequence
  having max(fresh.last_sequence) is distinct from ledger.head_sequence
  limit 1;
  if found then
    raise exception 'ledger % has a batch up to % that is not its head',
      broken.ledger_id, broken.last_sequence using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger batch_chain after insert on batch
  referencing new table as fresh for each statement execute function check_batch();

create function check_ledger() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  select fresh.id, fresh.head_sequence into broken
  from fresh
  left join batch tip on tip.ledger_id = fresh.id and tip.last_sequence = fresh.head_sequence
  left join batch later on later.ledger_id = fresh.id
    and later.first_sequence = fresh.head_sequence + 1
  where later.ledger_id is not null
    or case when fresh.head_sequence = 0
      then fresh.head_hash <> decode(repeat('00', 32), 'hex')
      else tip.hash is distinct from fresh.head_hash
        or tip.recorded_time is distinct from fresh.recorded_time
    end
  limit 1;
  if found then
    raise exception 'head of ledger % at % is not its latest batch',
      broken.id, broken.head_sequence using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger ledger_head_insert after insert on ledger
  referencing new table as fresh for each statement execute function check_ledger();
create trigger ledger_head_update after update on ledger
  referencing new table as fresh for each statement execute function check_ledger();

create function check_journal() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  select written.ledger_id, written.sequence into broken
  from (select ledger_id, max(sequence) as sequence from fresh group by ledger_id) written
  left join ledger on ledger.id = written.ledger_id
  where ledger.head_sequence is null or written.sequence > ledger.head_sequence
  limit 1;
  if found then
    raise exception 'fact % of ledger % belongs to no batch', broken.sequence, broken.ledger_id
      using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger journal_batch after insert on journal
  referencing new table as fresh for each statement execute function check_journal();

-- Entries: debits equal credits in every transaction and asset; a transaction has all its legs at
-- once, in the batch being written; an account's entries are numbered from 1 without gaps, and each
-- carries the totals after it; the account's state is its last entry.

create function check_entry() returns trigger language plpgsql
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

  select written.account_id, written.version into broken
  from (select account_id, max(version) as version from fresh group by account_id) written
  left join account_state using (account_id)
  where account_state.version is distinct from written.version
  limit 1;
  if found then
    raise exception 'entry % of account % is not counted in its state',
      broken.version, broken.account_id using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger entry_continuity after insert on entry
  referencing new table as fresh for each statement execute function check_entry();

create function check_account_state() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  select fresh.account_id, fresh.version into broken
  from fresh
  left join account using (account_id)
  left join entry last on last.account_id = fresh.account_id and last.version = fresh.version
  left join entry later on later.account_id = fresh.account_id and later.version = fresh.version + 1
  where account.account_id is null
    or later.version is not null
    or (fresh.debits_minor, fresh.credits_minor) is distinct from
      (coalesce(last.debits_minor_after, 0), coalesce(last.credits_minor_after, 0))
    or fresh.sequence <> coalesce(last.sequence, account.opened_sequence)
    or (fresh.version > 0) <> (last.version is not null)
  limit 1;
  if found then
    raise exception 'state of account % at version % is not its last entry',
      broken.account_id, broken.version using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger account_state_insert after insert on account_state
  referencing new table as fresh for each statement execute function check_account_state();
create trigger account_state_update after update on account_state
  referencing new table as fresh for each statement execute function check_account_state();

-- A transaction is a fact: it stands in the journal under its sequence.

create function check_transaction() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  select fresh.ledger_id, fresh.sequence into broken
  from fresh
  left join journal on journal.ledger_id = fresh.ledger_id and journal.sequence = fresh.sequence
  where journal.subject is distinct from 'bursar.ledger.v1.TransactionPosted'
  limit 1;
  if found then
    raise exception 'transaction % of ledger % is not in the journal',
      broken.sequence, broken.ledger_id using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger transaction_journal after insert on transaction
  referencing new table as fresh for each statement execute function check_transaction();
