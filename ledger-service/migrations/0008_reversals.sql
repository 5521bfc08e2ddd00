-- Reversals of a part of a transaction, and of what is left of it. How much of each entry its
-- reversals have taken back stands here, so that it can never be more than there was.

drop index transaction_reverses;
create index transaction_reversals on transaction (ledger_id, reverses_sequence, sequence)
  where reverses_sequence is not null;

-- A row for each entry of every transaction of which something is reversed: all of its entries come
-- with its first reversal.
create table reversed_entry (
  ledger_id bigint not null,
  -- Of the original.
  sequence bigint not null,
  -- The entry's place in the original, counted from zero.
  entry_index int not null check (entry_index >= 0),
  account_id bigint not null,
  -- Of the original's entry: debits are positive, credits negative.
  amount_minor bigint not null check (amount_minor <> 0),
  reversed_minor bigint not null,
  -- Of the original's latest reversal, the same for all of its entries.
  reversed_by bigint not null check (reversed_by > sequence),
  primary key (ledger_id, sequence, entry_index),
  constraint reversed_entry_amount check (reversed_minor between 0 and abs(amount_minor))
) with (fillfactor = 50);

-- Until now every reversal was whole, and the only one. The order of the original's entries is known
-- to its bytes alone.

create function wire_fields(data bytea)
  returns table (place int, number int, value bigint, content bytea)
  language plpgsql immutable
as $$
declare
  at int := 0;
  shift int;
  piece int;
  tag bigint;
begin
  place := 0;
  while at < length(data) loop
    -- First the tag, then the value or the length: numbers of seven bits a byte, lowest first.
    for turn in 1..2 loop
      value := 0;
      shift := 0;
      loop
        piece := get_byte(data, at);
        at := at + 1;
        value := value | ((piece & 127)::bigint << shift);
        shift := shift + 7;
        exit when piece < 128;
      end loop;
      if turn = 1 then tag := value; end if;
    end loop;
    number := tag >> 3;
    content := null;
    if tag & 7 = 2 then
      content := substring(data from at + 1 for value::int);
      at := at + value::int;
    elsif tag & 7 <> 0 then
      raise exception 'field % of a fact is of wire type %', number, tag & 7;
    end if;
    return next;
    place := place + 1;
  end loop;
end $$;

insert into reversed_entry (ledger_id, sequence, entry_index, account_id, amount_minor,
  reversed_minor, reversed_by)
select reversal.ledger_id, reversal.reverses_sequence,
  row_number() over (partition by reversal.ledger_id, reversal.sequence order by entry.place) - 1,
  account.account_id, case parts.side when 1 then parts.amount else -parts.amount end,
  parts.amount, reversal.sequence
from transaction reversal
join journal on journal.ledger_id = reversal.ledger_id
  and journal.sequence = reversal.reverses_sequence
cross join lateral wire_fields(journal.data) posted
cross join lateral wire_fields(posted.content) entry
cross join lateral (
  select (array_agg(content) filter (where number = 1))[1] as account,
    max(value) filter (where number = 2) as side, max(value) filter (where number = 3) as amount
  from wire_fields(entry.content)
) parts
cross join lateral (
  select convert_from((array_agg(content) filter (where number = 1))[1], 'UTF8') as account_code,
    convert_from((array_agg(content) filter (where number = 2))[1], 'UTF8') as asset_code
  from wire_fields(parts.account)
) key
join account on account.ledger_id = reversal.ledger_id
  and account.account_code = key.account_code and account.asset_code = key.asset_code
where reversal.reverses_sequence is not null and posted.number = 3 and entry.number = 4;

drop function wire_fields;

create trigger reversed_entry_keeps_rows before delete or truncate on reversed_entry
  for each statement execute function refuse_change();
revoke delete, truncate on reversed_entry from ledger_runtime;

-- The rows are the original's entries. What is added to them in a batch is what the reversals in the
-- batch take back, account by account and side by side; what was added is never taken away.

-- The first so many entries of an account that a transaction wrote.
create function entries_of(account bigint, of_sequence bigint, entries_max bigint)
  returns table (account_id bigint, amount_minor bigint)
  language sql stable
  set search_path from current
  set enable_seqscan = off set enable_bitmapscan = off
as $$
  select entry.account_id, entry.amount_minor
  from (select entry_version_at(account, of_sequence - 1) as version offset 0) before
  cross join lateral (
    select * from entry
    where entry.account_id = account and entry.version > before.version
      and entry.version <= before.version + entries_max
    offset 0
  ) entry
  where entry.sequence = of_sequence
$$;

-- What was added to the entries of a transaction, on one side of an account.
create type reversed_step as (
  ledger_id bigint, sequence bigint, account_id bigint, debit boolean, amount numeric);

create function check_reversed_entry() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off
as $$
declare
  broken record;
  steps reversed_step[];
begin
  if not exists (select from fresh) then return null; end if;
  if tg_op = 'UPDATE' then
    select fresh.sequence, fresh.entry_index into broken
    from fresh left join former using (ledger_id, sequence, entry_index, account_id, amount_minor)
    where former.ledger_id is null
      or fresh.reversed_minor < former.reversed_minor or fresh.reversed_by < former.reversed_by
    limit 1;
    if found then
      raise exception 'reversed entry % of transaction % only grows',
        broken.entry_index, broken.sequence using errcode = 'restrict_violation';
    end if;
    select array_agg(row(ledger_id, sequence, account_id, debit, amount)::reversed_step) into steps
    from (
      select ledger_id, sequence, account_id, amount_minor > 0 as debit,
        sum(fresh.reversed_minor - former.reversed_minor) as amount
      from fresh join former using (ledger_id, sequence, entry_index, account_id, amount_minor)
      group by ledger_id, sequence, account_id, amount_minor > 0
    ) step;
  else
    with claimed as materialized (
      select ledger_id, sequence, account_id, amount_minor, count(*) as entries
      from fresh group by ledger_id, sequence, account_id, amount_minor
    ), written as materialized (
      select account.ledger_id, named.sequence, named.account_id, entry.amount_minor,
        count(*) as entries
      -- More of them than are claimed would be missing elsewhere: together they are all legs.
      from (
        select ledger_id, sequence, account_id, count(*) as entries
        from fresh group by ledger_id, sequence, account_id
      ) named
      join account on account.account_id = named.account_id and account.ledger_id = named.ledger_id
      cross join lateral entries_of(named.account_id, named.sequence, named.entries) entry
      group by account.ledger_id, named.sequence, named.account_id, entry.amount_minor
    )
    select coalesce(claimed.sequence, written.sequence) as sequence into broken
    from claimed full join written using (ledger_id, sequence, account_id, amount_minor)
    where claimed.entries is distinct from written.entries
    union all
    select claim.sequence
    from (
      select ledger_id, sequence, count(*) as entries, max(entry_index) as last
      from fresh group by ledger_id, sequence
    ) claim
    left join transaction using (ledger_id, sequence)
    where transaction.legs is distinct from claim.entries or claim.last <> claim.entries - 1
    limit 1;
    if found then
      raise exception 'reversed entries of transaction % are not its entries', broken.sequence
        using errcode = 'check_violation';
    end if;
    select array_agg(row(ledger_id, sequence, account_id, debit, amount)::reversed_step) into steps
    from (
      select ledger_id, sequence, account_id, amount_minor > 0 as debit,
        sum(reversed_minor) as amount
      from fresh group by ledger_id, sequence, account_id, amount_minor > 0
    ) step;
  end if;

  with changed as materialized (
    select ledger_id, sequence, min(reversed_by) as first_by, max(reversed_by) as last_by
    from fresh group by ledger_id, sequence
  ), reversals as materialized (
    select changed.*, reversal.sequence as reversal, reversal.legs, batch.first_sequence
    from changed
    join ledger on ledger.id = changed.ledger_id
    join batch on batch.ledger_id = ledger.id and batch.last_sequence = ledger.head_sequence
      and batch.written_by = pg_current_xact_id()
    join transaction reversal on reversal.ledger_id = changed.ledger_id
      and reversal.reverses_sequence = changed.sequence
      and reversal.sequence >= batch.first_sequence
  ), written as materialized (
    -- What the batch wrote to their accounts, each looked up once, however many reversals share it.
    select known.ledger_id, known.account_id, entry.sequence, entry.amount_minor
    from (
      select distinct ledger_id, first_sequence, account_id
      from reversals join reversed_entry using (ledger_id, sequence)
    ) known
    cross join lateral (
      select entry_version_at(known.account_id, known.first_sequence - 1) as version offset 0
    ) before
    cross join lateral (
      select sequence, amount_minor from entry
      where account_id = known.account_id and version > before.version
      offset 0
    ) entry
  ), taken as materialized (
    select reversals.ledger_id, reversals.sequence, reversals.reversal, reversals.legs,
      written.account_id, written.amount_minor
    from reversals
    join written on written.ledger_id = reversals.ledger_id
      and written.sequence = reversals.reversal
  )
  select problem.sequence into broken
  from (
    select changed.sequence
    from changed
    left join (select ledger_id, sequence, max(reversal) as last from reversals group by 1, 2) latest
      using (ledger_id, sequence)
    where latest.last is distinct from changed.last_by or changed.first_by <> changed.last_by
    union all
    select sequence from taken
    group by ledger_id, sequence, reversal, legs having count(*) <> legs
    union all
    select coalesce(added.sequence, back.sequence)
    from (select * from unnest(steps) where amount <> 0) added
    full join (
      select ledger_id, sequence, account_id, amount_minor < 0 as debit,
        sum(abs(amount_minor)) as amount
      from taken group by ledger_id, sequence, account_id, amount_minor < 0
    ) back using (ledger_id, sequence, account_id, debit)
    where added.amount is distinct from back.amount
  ) problem
  limit 1;
  if found then
    raise exception 'reversed entries of transaction % are not what its reversals take back',
      broken.sequence using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger reversed_entry_insert after insert on reversed_entry
  referencing new table as fresh
  for each statement execute function check_reversed_entry();
create trigger reversed_entry_update after update on reversed_entry
  referencing old table as former new table as fresh
  for each statement execute function check_reversed_entry();

-- And no reversal is written without them.

create function check_reversal() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  select fresh.ledger_id, fresh.sequence into broken
  from fresh
  left join reversed_entry original on original.ledger_id = fresh.ledger_id
    and original.sequence = fresh.reverses_sequence and original.entry_index = 0
  where fresh.reverses_sequence is not null
    and (original.reversed_by is null or original.reversed_by < fresh.sequence)
  limit 1;
  if found then
    raise exception 'reversal % of ledger % is not counted in the entries that it reverses',
      broken.sequence, broken.ledger_id using errcode = 'check_violation';
  end if;
  return null;
end $$;

create trigger transaction_reversal after insert on transaction
  referencing new table as fresh for each statement execute function check_reversal();
