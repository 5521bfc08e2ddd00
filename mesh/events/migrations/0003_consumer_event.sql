-- Which events some release of a consumer handles, with the version of their schema. An older
-- release beside it may know the same event as one that is not for this consumer: it asks here
-- before it passes over one, and what is claimed waits in `parked` instead.
create table consumer_event (
  consumer text not null,
  event text not null,
  version int not null check (version > 0),
  primary key (consumer, event)
);

-- What waits for a release that knows its schema: looked for again and again, and seldom there.
create index parked_schema on parked (consumer, waits_for)
  where starts_with(waits_for, 'schema/');
