-- Webhooks that are handled again from their stored bytes. A replay is a row that moves forward in
-- the SQL transaction of what it handled, so that whoever takes it up after a crash goes on there.

-- Digest of each payment event's bytes as they were first published, in the order of the events:
-- its id belongs to these bytes. Others for the same place go out under an id of their own, because
-- a message with a known id and other content is a conflict to every consumer.
alter table delivery add column published_digests text[] not null default '{}';

create table replay (
  replay_id bigint generated always as identity primary key,
  -- Chosen by who asked.
  request_id text not null unique,
  -- bursar.webhook.v1.DeliveryFilter, encoded.
  filter bytea not null,
  -- A value of bursar.webhook.v1.ReplayState.
  state int not null check (state > 0),
  -- The newest delivery when it was created: what comes later was handled by this release anyway.
  delivery_id_max bigint not null,
  -- Absent until it begins.
  selected bigint,
  handled bigint not null default 0,
  changed bigint not null default 0,
  missing bigint not null default 0,
  given_up bigint not null default 0,
  -- The last delivery that it is past; absent before the first.
  position_received_at timestamptz,
  position_delivery_id bigint,
  created_at timestamptz not null default now(),
  ended_at timestamptz
);

create index replay_running on replay (replay_id) where state = 1;
