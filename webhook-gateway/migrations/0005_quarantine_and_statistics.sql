-- Refused requests that wait for a secret to be mended, and what every endpoint took and refused.
-- The door writes neither: the first come over the broker, the second in sums every few seconds.

create table quarantined (
  -- In the order of arrival here.
  position bigint generated always as identity primary key,
  quarantine_id text not null unique,
  endpoint_id text not null,
  provider text not null,
  tenant_id text not null,
  reason text not null,
  received_at timestamptz not null,
  expires_at timestamptz not null,
  -- Encrypted: this table, and copies of it, give no request away.
  sealed_request bytea not null
);

create index quarantined_endpoint on quarantined (endpoint_id, position);
create index quarantined_expiry on quarantined (expires_at);

create table endpoint_hour (
  endpoint_id text not null,
  hour timestamptz not null,
  -- acked, duplicate, not-durable or refused.
  kind text not null,
  -- Why it was refused; empty for the other kinds.
  reason text not null,
  count bigint not null check (count > 0),
  primary key (endpoint_id, hour, kind, reason)
);

create index endpoint_hour_age on endpoint_hour (hour);

create table endpoint_state (
  endpoint_id text primary key,
  last_acked_at timestamptz,
  last_failed_at timestamptz,
  -- Since the last acknowledgement, over all processes.
  failures_in_a_row bigint not null check (failures_in_a_row >= 0),
  failing_since timestamptz,
  check ((failures_in_a_row = 0) = (failing_since is null))
);
