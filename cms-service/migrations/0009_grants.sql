-- Grants of every source, with a time at which they run out. What a grant or an enrollment is now
-- follows from its row and the clock; an enrollment's row keeps what others were told last, and
-- when the clock will change that.

-- How long access lasts, from the moment of payment, as the offer said when the order was made.
alter table "order" add column if not exists access_duration_s bigint check (access_duration_s > 0);

-- When the earliest fact about the payment that was heard of took effect.
alter table payment add column paid_time timestamptz not null default now();
alter table payment alter column paid_time drop default;

-- Older totals may still bring an earlier time, and nothing else.
drop trigger payment_goes_forward on payment;
create trigger payment_goes_forward before update on payment for each row
  when (new.ledger_sequence < old.ledger_sequence or new.paid_time > old.paid_time
        or (new.ledger_sequence = old.ledger_sequence
            and (new.order_id, new.currency_code, new.paid_minor, new.refunded_minor,
                 new.disputed_minor, new.lost_minor)
              is distinct from (old.order_id, old.currency_code, old.paid_minor,
                 old.refunded_minor, old.disputed_minor, old.lost_minor)))
  execute function refuse_older_totals();

alter table enrollment
  drop constraint enrollment_state_check,
  add constraint enrollment_state_check
    check (state in ('none', 'active', 'suspended', 'expired', 'revoked')),
  add column lapse_time timestamptz;
create index enrollment_by_lapse on enrollment (lapse_time) where lapse_time is not null;

alter table enrollment_grant
  alter column ledger_id drop not null,
  alter column payment_id drop not null,
  alter column order_id drop not null,
  add column source text not null default 'payment'
    check (source in ('payment', 'manual', 'coupon', 'cohort', 'gift')),
  add column source_id text collate "C",
  add column start_time timestamptz,
  add column expire_time timestamptz,
  add column reason text not null default '',
  add column actor text not null default '',
  add column revoke_reason text not null default '';
update enrollment_grant set source_id = payment_id, start_time = create_time;
alter table enrollment_grant
  alter column source drop default,
  alter column source_id set not null,
  alter column start_time set not null,
  add constraint enrollment_grant_of_payment check (
    (source = 'payment') = (ledger_id is not null and payment_id is not null)
    and (source <> 'payment' or (order_id is not null and source_id = payment_id))),
  add constraint enrollment_grant_of_coupon check (
    source <> 'coupon' or (order_id is not null and source_id = order_id)),
  -- Only a payment can be disputed, or not cover what it is for.
  add constraint enrollment_grant_by_hand check (
    source = 'payment' or state in ('active', 'revoked'));

-- One grant a source, learner and course, until it is revoked.
create unique index enrollment_grant_by_source
  on enrollment_grant (source, source_id, learner_id, course_id)
  where source <> 'payment' and state <> 'revoked';
create index enrollment_grant_by_course on enrollment_grant (course_id, grant_id);
create index enrollment_grant_by_order on enrollment_grant (order_id) where order_id is not null;
