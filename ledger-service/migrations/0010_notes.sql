-- Transactions by their notes. The index is made in the background out of the journal, so that posting
-- pays nothing for it: it holds every note of every transaction up to a position, and whoever asks
-- reads what is beyond that from the journal itself. All of it may be made again: empty both tables.

create table note (
  ledger_id bigint not null,
  key text collate "C" not null,
  -- The first half of its SHA-256: a value may be longer than an index takes. Who finds a note compares
  -- the value in the journal.
  value_digest bytea not null check (length(value_digest) = 16),
  -- Of the transaction.
  sequence bigint not null check (sequence > 0),
  primary key (ledger_id, key, value_digest, sequence)
);

create table note_position (
  ledger_id bigint primary key,
  indexed_sequence bigint not null check (indexed_sequence >= 0)
) with (fillfactor = 50);

revoke update, delete, truncate on note from ledger_runtime;
revoke delete, truncate on note_position from ledger_runtime;

-- A note that went missing would hide its transaction, and one too many costs no more than a look.

create trigger note_append_only before update or delete on note
  for each statement execute function refuse_change();

create function check_note_position() returns trigger language plpgsql as $$
begin
  raise exception 'the index of ledger % does not go back from % to %', old.ledger_id,
    old.indexed_sequence, new.indexed_sequence using errcode = 'restrict_violation';
end $$;

create trigger note_position_forward before update on note_position for each row
  when (new.ledger_id <> old.ledger_id or new.indexed_sequence < old.indexed_sequence)
  execute function check_note_position();
