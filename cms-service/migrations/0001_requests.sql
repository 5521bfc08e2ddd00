-- Answers to creates, under the request id that the caller chose: a repetition gets the first
-- answer. The row is inserted before the work and in the same SQL transaction, so of several
-- copies at once one works and the others wait for its answer.

create table request (
  request_id uuid primary key,
  method text not null,
  digest bytea not null check (length(digest) = 32),
  response bytea not null default '',
  create_time timestamptz not null default now()
);
