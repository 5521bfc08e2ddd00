-- Ledgers, and what is known about each of them. One row of "ledger" is the head of a ledger: who
-- writes to the ledger locks that row first, so its facts are numbered without gaps, in the order
-- of commitment. The invariants of these tables are in the next migration.

-- Keys are compared byte by byte: the order of a page must not depend on a language.

create table ledger (
  id bigint generated always as identity primary key,
  -- The id on the wire. A row with head_sequence 0 is only a lock: no fact is written yet.
  ledger_code text collate "C" not null unique,
  display_name text not null default '',
  head_sequence bigint not null default 0 check (head_sequence >= 0),
  head_hash bytea not null default decode(repeat('00', 32), 'hex') check (length(head_hash) = 32),
  create_time timestamptz not null default clock_timestamp(),
  recorded_time timestamptz not null default '-infinity'
) with (fillfactor = 50);

-- Every fact, as the exact bytes of its event: what is hashed, and what is published. The other
-- tables hold what these bytes say in a form that can be looked up.
create table journal (
  ledger_id bigint not null,
  sequence bigint not null check (sequence > 0),
  subject text not null,
  data bytea not null,
  primary key (ledger_id, sequence)
);

-- One row a batch: the facts that were committed together. Hashes chain the batches of a ledger.
create table batch (
  ledger_id bigint not null,
  first_sequence bigint not null check (first_sequence > 0),
  last_sequence bigint not null check (last_sequence >= first_sequence),
  recorded_time timestamptz not null,
  algorithm text not null check (algorithm = 'sha256'),
  format_version int not null check (format_version > 0),
  previous_hash bytea not null check (length(previous_hash) = 32),
  hash bytea not null check (length(hash) = 32),
  -- The SQL transaction that wrote it: entries cannot be added to a batch by a later one.
  written_by xid8 not null default pg_current_xact_id(),
  primary key (ledger_id, first_sequence),
  unique (ledger_id, last_sequence)
);

create table asset (
  ledger_id bigint not null,
  asset_code text collate "C" not null,
  scale int not null check (scale between 0 and 18),
  registered_sequence bigint not null,
  -- Debits of all accounts together, which are also their credits. It keeps totals within int64.
  posted_minor bigint not null default 0 check (posted_minor >= 0),
  primary key (ledger_id, asset_code)
) with (fillfactor = 50);

create table account (
  account_id bigint generated always as identity primary key,
  ledger_id bigint not null,
  account_code text collate "C" not null,
  asset_code text collate "C" not null,
  kind text not null check (kind in ('asset', 'liability', 'equity', 'income', 'expense')),
  opened_sequence bigint not null,
  open_time timestamptz not null,
  unique (ledger_id, account_code, asset_code)
);

-- What an account holds. Written with every batch that touches it, so it has free space beside
-- each row and no index on what changes.
create table account_state (
  account_id bigint primary key,
  debits_minor bigint not null check (debits_minor >= 0),
  credits_minor bigint not null check (credits_minor >= 0),
  version bigint not null check (version >= 0),
  sequence bigint not null check (sequence >= 0)
) with (fillfactor = 50);

create table transaction (
  ledger_id bigint not null,
  sequence bigint not null,
  legs int not null check (legs >= 2),
  effective_time timestamptz not null,
  recorded_time timestamptz not null,
  reverses_sequence bigint check (reverses_sequence < sequence),
  -- Sequence of the payment's first transaction, when a payment caused this one.
  payment_sequence bigint check (payment_sequence <= sequence),
  primary key (ledger_id, sequence)
);

-- A transaction is reversed once.
create unique index transaction_reverses on transaction (ledger_id, reverses_sequence)
  where reverses_sequence is not null;

-- The first transaction of a payment is found by its payment: only those that follow are indexed,
-- so the usual payment writes nothing here.
create index transaction_payment on transaction (ledger_id, payment_sequence, sequence)
  where payment_sequence <> sequence;

-- Debits are positive, credits negative. An entry's asset and ledger are those of its account.
create table entry (
  account_id bigint not null,
  version bigint not null check (version > 0),
  sequence bigint not null,
  amount_minor bigint not null check (amount_minor <> 0),
  debits_minor_after bigint not null check (debits_minor_after >= 0),
  credits_minor_after bigint not null check (credits_minor_after >= 0),
  primary key (account_id, version)
);

-- What became of the requests of callers, by their key: posted or refused, for ever.
create table idempotency (
  ledger_id bigint not null,
  key text collate "C" not null,
  digest bytea not null check (length(digest) = 32),
  sequence bigint not null,
  refused boolean not null,
  primary key (ledger_id, key)
);

-- What providers told us, by the name of the fact. These keys live apart from those of callers, so
-- no caller can use up the key of a fact. A fact that moved nothing has no sequence.
create table fact (
  ledger_id bigint not null,
  key text collate "C" not null,
  content text not null,
  sequence bigint,
  primary key (ledger_id, key)
);

-- Totals of a payment after all facts so far. Refunded is the larger of named and stated, less
-- failed.
create table payment (
  ledger_id bigint not null,
  payment_id text collate "C" not null,
  order_id text collate "C" not null,
  currency_code text not null,
  paid_minor bigint not null check (paid_minor > 0),
  refunds_named_minor bigint not null check (refunds_named_minor >= 0),
  refunds_stated_minor bigint not null check (refunds_stated_minor >= 0),
  refunds_failed_minor bigint not null check (refunds_failed_minor >= 0),
  disputed_minor bigint not null check (disputed_minor >= 0),
  lost_minor bigint not null check (lost_minor >= 0),
  first_sequence bigint not null,
  sequence bigint not null check (sequence >= first_sequence),
  primary key (ledger_id, payment_id),
  check (refunds_failed_minor <= refunds_named_minor)
) with (fillfactor = 80);

create index payment_order on payment (ledger_id, order_id, payment_id) where order_id <> '';

-- How far the journal is published.
create table relay_position (
  ledger_id bigint primary key,
  published_sequence bigint not null check (published_sequence >= 0)
) with (fillfactor = 50);
