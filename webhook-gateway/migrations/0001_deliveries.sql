-- What providers sent and what became of it, for operators. The bytes stay on the
-- stream; a row leads to them by the stream's sequence. Rows are written by the
-- desk in the SQL transaction that settles the webhook, never by the door.

create table delivery (
  -- In the order of settling: newest first is the order operators read in.
  delivery_id bigint generated always as identity primary key,
  webhook_id text not null unique,
  endpoint_id text not null,
  provider text not null,
  event_type text not null,
  event_id text not null,
  received_at timestamptz not null,
  -- A value of bursar.webhook.v1.DeliveryOutcome.
  outcome int not null check (outcome > 0),
  -- Full names of the payment events it became, in order.
  published_events text[] not null,
  stream_sequence bigint not null
);

create index delivery_endpoint on delivery (endpoint_id, delivery_id);
create index delivery_event_type on delivery (event_type, delivery_id);
create index delivery_event_id on delivery (event_id, delivery_id);
create index delivery_outcome on delivery (outcome, delivery_id);
