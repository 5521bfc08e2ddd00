-- How money opens courses: the newest totals of each payment, the grants that follow from them, and
-- the enrollments that sum up the grants.

-- A payment is named by its ledger and its id. Totals of a lower ledger sequence never replace
-- those of a higher one.
create table payment (
  ledger_id text collate "C" not null,
  payment_id text collate "C" not null,
  order_id text collate "C" not null references "order",
  ledger_sequence bigint not null check (ledger_sequence > 0),
  currency_code text collate "C" not null,
  paid_minor bigint not null,
  refunded_minor bigint not null,
  disputed_minor bigint not null,
  lost_minor bigint not null,
  primary key (ledger_id, payment_id)
);

create index payment_by_order on payment (order_id);

create function refuse_older_totals() returns trigger language plpgsql as $$
begin
  raise exception 'payment % of ledger % stands at sequence %, which % does not exceed',
    old.payment_id, old.ledger_id, old.ledger_sequence, new.ledger_sequence
    using errcode = 'restrict_violation';
end
$$;

create trigger payment_goes_forward before update on payment for each row
  when (new.ledger_sequence <= old.ledger_sequence) execute function refuse_older_totals();
create trigger payment_is_kept before delete or truncate on payment
  for each statement execute function refuse_change();

revoke delete, truncate on payment from cms_runtime;

-- 'none': its grants never opened anything, as if the learner had never been enrolled.
create table enrollment (
  learner_id text collate "C" not null,
  course_id text collate "C" not null references course,
  state text not null default 'none' check (state in ('none', 'active', 'suspended', 'revoked')),
  create_time timestamptz not null default now(),
  change_time timestamptz not null default now(),
  primary key (learner_id, course_id)
);

create table enrollment_grant (
  grant_id text collate "C" primary key check (grant_id ~ '^grt_[0-9a-z]{26}$'),
  ledger_id text collate "C" not null,
  payment_id text collate "C" not null,
  course_id text collate "C" not null,
  learner_id text collate "C" not null,
  order_id text collate "C" not null references "order",
  state text not null check (state in ('active', 'suspended', 'revoked', 'void')),
  -- Ledger sequence of the totals that the state follows from.
  source_version bigint not null check (source_version > 0),
  create_time timestamptz not null default now(),
  update_time timestamptz not null default now(),
  unique (ledger_id, payment_id, course_id),
  foreign key (ledger_id, payment_id) references payment,
  foreign key (learner_id, course_id) references enrollment
);

create index enrollment_grant_by_enrollment on enrollment_grant (learner_id, course_id);
