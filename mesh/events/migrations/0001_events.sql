-- What every service that publishes or consumes events keeps in its schema. The rows stand in the
-- same SQL transactions as the effects they account for: that, and nothing on the broker, is what
-- makes handling exactly once.

-- Every message a consumer has settled, whichever way. Rows are kept for as long as the stream
-- may be replayed; the digest tells a repetition from another message under the same id.
create table inbox (
  consumer text not null,
  message_id text not null,
  sha256 bytea not null check (octet_length(sha256) = 32),
  settled_at timestamptz not null default now(),
  primary key (consumer, message_id)
);

-- Events that are committed and not yet published. The relay deletes a row once the broker has it.
-- Ids are given before commit: a lower one may appear after a higher one, so no cursor skips by id.
create table outbox (
  outbox_id bigint generated always as identity primary key,
  message_id text not null,
  subject text not null,
  stream text not null,
  data bytea not null,
  headers jsonb not null,
  created_at timestamptz not null default now()
);

-- Events that wait for another event, with all that is needed to handle them as if they had just
-- arrived. What they wait for releases them in its own SQL transaction.
create table parked (
  parked_id bigint generated always as identity primary key,
  consumer text not null,
  message_id text not null,
  waits_for text not null,
  subject text not null,
  stream text not null,
  stream_sequence bigint not null,
  data bytea not null,
  headers jsonb not null,
  parked_at timestamptz not null default now(),
  unique (consumer, message_id)
);

create index parked_waits_for on parked (consumer, waits_for);

-- Messages that were given up, with their exact bytes, so that they can be handled once the cause
-- is mended. The key keeps a message that is delivered again from being written again.
create table dead_letter (
  dead_letter_id bigint generated always as identity primary key,
  consumer text not null,
  message_id text not null,
  sha256 bytea not null check (octet_length(sha256) = 32),
  subject text not null,
  stream text not null,
  stream_sequence bigint not null,
  -- A value of bursar.mesh.v1.DeadLetterReason.
  reason int not null check (reason > 0),
  detail text not null,
  data bytea not null,
  headers jsonb not null,
  dead_at timestamptz not null default now(),
  unique (consumer, message_id, sha256)
);
