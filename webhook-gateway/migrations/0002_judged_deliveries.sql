-- What the desk judged about a webhook beside its outcome, and how often it came again.

alter table delivery
  -- Empty when the gateway serves one tenant only.
  add column tenant_id text not null default '',
  add column provider_account text not null default '',
  -- Values of bursar.webhook.v1.DeliveryFlag, ascending.
  add column flags int[] not null default '{}',
  -- How often the same came again after it was first stored.
  add column repeats bigint not null default 0 check (repeats >= 0),
  -- Sequence of the last message that was counted so: the broker may deliver it twice.
  add column last_repeat_sequence bigint not null default 0,
  -- Why it was kept or given up, for people; empty when it was published.
  add column reason text not null default '' check (length(reason) <= 255),
  -- What an unsigned header called it when it first came.
  add column unsigned_event_id text not null default '';
