-- Lists of deliveries by when they were received, which is the order of replays too and stays as it
-- is for a webhook that is settled late. Every filter has an index that ends in the order of the
-- list, so that a page is read and no more. The rare ones are partial: they cost nothing where they
-- are not used.

drop index delivery_endpoint;
drop index delivery_event_type;
drop index delivery_event_id;
drop index delivery_outcome;

create index delivery_received on delivery (received_at, delivery_id);
create index delivery_by_endpoint on delivery (endpoint_id, received_at, delivery_id);
create index delivery_by_type on delivery (event_type, received_at, delivery_id);
create index delivery_by_provider on delivery (provider, received_at, delivery_id);
create index delivery_by_outcome on delivery (outcome, received_at, delivery_id);
create index delivery_by_event on delivery (event_id, received_at, delivery_id)
  where event_id <> '';
create index delivery_by_tenant on delivery (tenant_id, received_at, delivery_id)
  where tenant_id <> '';
create index delivery_flagged on delivery (received_at, delivery_id)
  where flags <> '{}';
