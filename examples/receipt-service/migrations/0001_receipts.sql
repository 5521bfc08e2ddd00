-- The newest totals of each payment, and who ordered what. The columns are the fields of
-- bursar.receipt.v1.Receipt and bursar.cms.v1.OrderChanged.

create table receipt (
  row_id bigint generated always as identity unique,
  ledger_id text not null,
  payment_id text not null,
  order_id text not null check (order_id <> ''),
  ledger_sequence bigint not null check (ledger_sequence > 0),
  currency_code text not null check (currency_code ~ '^[A-Z]{3}$'),
  paid_minor bigint not null check (paid_minor > 0),
  refunded_minor bigint not null check (refunded_minor >= 0),
  disputed_minor bigint not null check (disputed_minor >= 0),
  lost_minor bigint not null check (lost_minor >= 0),
  recorded_time timestamptz not null,
  primary key (ledger_id, payment_id)
);

create index receipt_of_order on receipt (order_id);

create table ordered (
  order_id text primary key,
  learner_id text not null,
  -- A value of bursar.cms.v1.OrderState.
  state int not null,
  change_time timestamptz not null
);

create index ordered_by_learner on ordered (learner_id);

-- A receipt with the learner whose order it is: what has no owner yet is on nobody's list.
create view owned_receipt as
  select receipt.row_id, ledger_id, payment_id, order_id, ledger_sequence, currency_code,
    paid_minor, refunded_minor, disputed_minor, lost_minor, recorded_time, learner_id
  from receipt join ordered using (order_id);
