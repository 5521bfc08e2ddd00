-- A small double-entry ledger as it is often written: rows of accounts, transfers and entries with
-- foreign keys, and a function that takes transfers one by one under row locks, in the order of the
-- accounts. No idempotency, no hash chain, no events. An example for `make bench`, honest but ours:
-- put the ledger that you know in its place (docs/bench.md).

create table account (
  account_id bigint primary key,
  balance bigint not null default 0,
  version bigint not null default 0
) with (fillfactor = 50);

create table transfer (
  transfer_id bigint generated always as identity primary key,
  created_time timestamptz not null default clock_timestamp()
);

create table entry (
  entry_id bigint generated always as identity primary key,
  transfer_id bigint not null references transfer,
  account_id bigint not null references account,
  amount bigint not null check (amount <> 0),
  balance_after bigint not null,
  version bigint not null,
  unique (account_id, version)
);

insert into account (account_id) select n from generate_series(0, {accounts} - 1) n;

create function post_transfers(transfers jsonb) returns void language plpgsql as $$
declare
  one record;
  made bigint;
begin
  -- All locks first and in one order, so that two calls cannot wait for each other.
  perform from account
  where account_id in (
    select unnest(array[debit, credit])
    from jsonb_to_recordset(transfers) as asked (debit bigint, credit bigint))
  order by account_id
  for no key update;
  for one in
    select * from jsonb_to_recordset(transfers) as asked (debit bigint, credit bigint, amount bigint)
  loop
    insert into transfer default values returning transfer_id into made;
    with changed as (
      update account set version = version + 1,
        balance = balance + case when account_id = one.debit then one.amount else -one.amount end
      where account_id in (one.debit, one.credit)
      returning account_id, balance, version
    )
    insert into entry (transfer_id, account_id, amount, balance_after, version)
    select made, account_id,
      case when account_id = one.debit then one.amount else -one.amount end, balance, version
    from changed;
  end loop;
end $$;
