-- What waits for its provider's word. A signature that does not attest the body, or no signature at
-- all, is no reason to believe an amount: the provider is asked, and asked again until it answers.
-- A row is written in the SQL transaction that records its webhook as unconfirmed, and goes once
-- the answer is on the broker.

create table confirmation (
  webhook_id text primary key,
  endpoint_id text not null,
  provider text not null,
  -- The WebhookReceived as it came, encoded: the answer is published together with it.
  webhook bytea not null,
  traceparent text not null,
  received_at timestamptz not null,
  -- How often the webhook came. An answer that was asked for before the latest of these may be
  -- older than what it points at, so it does not end the asking.
  arrivals bigint not null default 1 check (arrivals > 0),
  -- Failures since the provider last answered.
  failures int not null default 0 check (failures >= 0),
  -- When it is asked next; while somebody asks, when somebody else may.
  next_ask_at timestamptz not null default now(),
  -- Why it is still here, for operators; empty before the first try.
  problem text not null default '' check (length(problem) <= 255),
  -- Since when it has failed for days: asked rarely from then on, and alarmed about.
  stuck_at timestamptz
);

create index confirmation_next_ask on confirmation (next_ask_at);
