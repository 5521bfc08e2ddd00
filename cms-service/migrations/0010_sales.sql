-- Sales: prices are things of their own, one active a currency; coupons lower them; orders keep the
-- terms they were made on and are open for a time. A use of a coupon is an order that names it, so
-- how many there are follows from the orders and the clock, and nothing can count it wrongly.

alter table offer
  add column version bigint not null default 1,
  add column update_time timestamptz not null default now(),
  -- Null: for ever.
  add column access_duration_s bigint check (access_duration_s > 0),
  add column payment_window_s bigint not null default 604800
    check (payment_window_s between 60 and 7776000);

drop trigger price_is_immutable on price;
alter table price
  drop constraint price_pkey,
  add column price_id text collate "C" check (price_id ~ '^prc_[0-9a-z]{26}$'),
  add column create_time timestamptz not null default now(),
  add column archive_time timestamptz;
update price set price_id = 'prc_' || substr(md5(offer_id || '/' || currency_code), 1, 26);
alter table price add primary key (price_id);
create unique index price_active on price (offer_id, currency_code) where archive_time is null;
create index price_by_offer on price (offer_id, price_id);

create trigger price_is_immutable
  before update of price_id, offer_id, currency_code, amount_minor, create_time
  on price for each statement execute function refuse_change();
create trigger price_stays_archived before update on price for each row
  when (old.archive_time is not null) execute function refuse_change();
create trigger price_is_kept before delete or truncate on price
  for each statement execute function refuse_change();
grant update (archive_time) on price to cms_runtime;

-- Codes stand here in the one way they are written; none is ever another coupon's.
create table coupon (
  code text collate "C" primary key check (code ~ '^[A-Z0-9]([A-Z0-9-]{1,38}[A-Z0-9])?$'),
  title text not null,
  -- Hundredths of a percent; null: a fixed amount in each currency of coupon_amount.
  percent_bp int check (percent_bp between 1 and 10000),
  start_time timestamptz,
  end_time timestamptz,
  uses_max bigint check (uses_max > 0),
  uses_per_learner_max bigint check (uses_per_learner_max > 0),
  archived boolean not null default false,
  version bigint not null default 1,
  create_time timestamptz not null default now(),
  update_time timestamptz not null default now(),
  check (end_time > start_time)
);

create table coupon_amount (
  code text collate "C" not null references coupon,
  currency_code text collate "C" not null check (currency_code ~ '^[A-Z]{3}$'),
  amount_minor bigint not null check (amount_minor > 0),
  primary key (code, currency_code)
);

-- None: the coupon counts for every offer.
create table coupon_offer (
  code text collate "C" not null references coupon,
  offer_id text collate "C" not null references offer,
  primary key (code, offer_id)
);
create index coupon_offer_by_offer on coupon_offer (offer_id, code);

create trigger coupon_discount_is_immutable before update of code, percent_bp, start_time, create_time
  on coupon for each statement execute function refuse_change();
create trigger coupon_is_kept before delete or truncate on coupon
  for each statement execute function refuse_change();
create trigger coupon_amount_is_immutable before update or delete or truncate on coupon_amount
  for each statement execute function refuse_change();
create trigger coupon_offer_is_immutable before update or delete or truncate on coupon_offer
  for each statement execute function refuse_change();
revoke delete, truncate on coupon from cms_runtime;
revoke update, delete, truncate on coupon_amount, coupon_offer from cms_runtime;

drop trigger order_terms_are_immutable on "order";
alter table "order"
  add column if not exists access_duration_s bigint check (access_duration_s > 0),
  add column price_id text collate "C" references price,
  add column list_minor bigint,
  add column discount_minor bigint not null default 0 check (discount_minor >= 0),
  add column coupon_code text collate "C" references coupon,
  add column expire_time timestamptz,
  add column cancel_time timestamptz,
  drop constraint order_due_minor_check,
  drop constraint order_state_check;
update "order" o set list_minor = due_minor, expire_time = o.create_time + interval '7 days',
  price_id = (select p.price_id from price p
              where p.offer_id = o.offer_id and p.currency_code = o.currency_code);
alter table "order"
  alter column discount_minor drop default,
  alter column price_id set not null,
  alter column list_minor set not null,
  alter column expire_time set not null,
  add constraint order_due_minor_check
    check (list_minor > 0 and due_minor >= 0 and due_minor = list_minor - discount_minor),
  add constraint order_discount_has_coupon check (discount_minor = 0 or coupon_code is not null),
  -- 'pending' past expire_time is expired, whether or not anybody has written that down yet.
  add constraint order_state_check check (state in (
    'pending', 'paid', 'underpaid', 'overpaid', 'wrong-currency', 'disputed', 'refunded',
    'expired', 'cancelled')),
  add constraint order_expires_after_create check (expire_time > create_time);

create index order_by_coupon on "order" (coupon_code, state, expire_time)
  where coupon_code is not null;
create index order_by_coupon_and_learner on "order" (coupon_code, learner_id)
  where coupon_code is not null;
-- Whoever looks for what has come due reads this index, which is small.
create index order_by_expiry on "order" (expire_time) where state = 'pending';

create trigger order_terms_are_immutable
  before update of order_id, learner_id, offer_id, course_ids, currency_code, due_minor, create_time,
    access_duration_s, price_id, list_minor, discount_minor, coupon_code, expire_time
  on "order" for each statement execute function refuse_change();
create trigger order_stays_cancelled before update of cancel_time on "order" for each row
  when (old.cancel_time is not null) execute function refuse_change();
grant update (cancel_time) on "order" to cms_runtime;
