-- Schemas and roles of the services, for one database: each service has a schema of its own, an
-- owner that migrates it, and a runtime role that may read and write rows and nothing else.
-- Run as a superuser, as often as you like. Passwords come from settings of the session:
--   PGOPTIONS="-c bursar.ledger_owner_password=…" psql -f deploy/roles.sql
-- A role whose setting is missing keeps the password it has, or gets none.
-- Services of your own are named by their schemas, beside these or alone:
--   PGOPTIONS="-c bursar.schemas=receipt,shipping"

do $roles$
declare
  service text;
  role text;
  password text;
begin
  -- Roles belong to the whole server: two runs at once would trip over each other.
  perform pg_advisory_xact_lock(hashtextextended('bursar/roles', 0));

  foreach service in array string_to_array(
    coalesce(nullif(current_setting('bursar.schemas', true), ''), 'ledger,cms,gateway,mesh'), ','
  ) loop
    foreach role in array array[service || '_owner', service || '_runtime'] loop
      if not exists (select from pg_roles where rolname = role) then
        execute format('create role %I login', role);
      end if;
      password := nullif(current_setting(format('bursar.%s_password', role), true), '');
      if password is not null then
        execute format('alter role %I with login password %L', role, password);
      end if;
      execute format('grant connect on database %I to %I', current_database(), role);
    end loop;

    execute format('create schema if not exists %I authorization %I', service, service || '_owner');
    execute format('revoke all on schema %I from public', service);
    execute format('grant usage on schema %I to %I', service, service || '_runtime');
    execute format(
      'alter default privileges for role %I in schema %I
       grant select, insert, update, delete on tables to %I',
      service || '_owner', service, service || '_runtime');
    execute format(
      'alter default privileges for role %I in schema %I grant usage on sequences to %I',
      service || '_owner', service, service || '_runtime');
    -- Functions of a schema are for its own roles; triggers run for whoever caused them.
    execute format(
      'alter default privileges for role %I revoke execute on functions from public',
      service || '_owner');
    execute format(
      'alter default privileges for role %I in schema %I grant execute on functions to %I',
      service || '_owner', service, service || '_runtime');
  end loop;

  execute format('revoke all on database %I from public', current_database());
  revoke all on schema public from public;
end
$roles$;
