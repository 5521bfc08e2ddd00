-- Offers, whose prices and courses never change, and orders, which remember what was due and which
-- courses were meant. Only the ledger's facts change the state of an order.

create table offer (
  offer_id text collate "C" primary key check (offer_id ~ '^off_[0-9a-z]{26}$'),
  title text not null,
  archived boolean not null default false,
  create_time timestamptz not null default now()
);

create table offer_course (
  offer_id text collate "C" not null references offer,
  position int not null check (position >= 0),
  course_id text collate "C" not null references course,
  primary key (offer_id, course_id),
  unique (offer_id, position)
);

create index offer_course_by_course on offer_course (course_id, offer_id);

create table price (
  offer_id text collate "C" not null references offer,
  currency_code text collate "C" not null check (currency_code ~ '^[A-Z]{3}$'),
  amount_minor bigint not null check (amount_minor > 0),
  primary key (offer_id, currency_code)
);

create trigger price_is_immutable before update or delete or truncate on price
  for each statement execute function refuse_change();
create trigger offer_course_is_immutable before update or delete or truncate on offer_course
  for each statement execute function refuse_change();

revoke update, delete, truncate on price, offer_course from cms_runtime;

create table "order" (
  order_id text collate "C" primary key check (order_id ~ '^ord_[0-9a-z]{26}$'),
  learner_id text collate "C" not null check (learner_id <> ''),
  offer_id text collate "C" not null references offer,
  course_ids text[] not null check (cardinality(course_ids) > 0),
  currency_code text collate "C" not null,
  due_minor bigint not null check (due_minor > 0),
  state text not null default 'pending' check (state in (
    'pending', 'paid', 'underpaid', 'overpaid', 'wrong-currency', 'disputed', 'refunded')),
  create_time timestamptz not null default now(),
  change_time timestamptz not null default now()
);

create index order_by_learner on "order" (learner_id, order_id);
create index order_by_state on "order" (state, order_id);

create trigger order_terms_are_immutable
  before update of order_id, learner_id, offer_id, course_ids, currency_code, due_minor, create_time
  on "order" for each statement execute function refuse_change();
create trigger order_is_kept before delete or truncate on "order"
  for each statement execute function refuse_change();

revoke update, delete, truncate on "order" from cms_runtime;
grant update (state, change_time) on "order" to cms_runtime;
