-- Balances as they were: what counted until a time, as it was known at a sequence. Entries are
-- never rewritten when one is backdated. Both the sequence and effective_time_max of an account's
-- entries only grow from version to version, so either axis is found by halving. All entries up to
-- a version whose effective_time_max lies within the time count whole; after it, only late entries
-- can count, those that came when a later time was written already.

-- The late ones among an account's entries. An entry that is not late writes nothing here.
create index entry_late on entry (account_id, version) where effective_time < effective_time_max;

-- An index of late entries, made in the background out of the entries, and of nothing else: what it
-- does not hold yet is added up entry by entry, and its three tables may be truncated together and
-- are made again. Every 64 late entries of an account make a run of level 0, every 8 runs of a
-- level one run of the next: the late entries up to a version are a few runs and a rest below 64.

-- How many runs of each level, from 0 on, are complete.
create table late_position (
  account_id bigint primary key,
  runs bigint[] not null default '{}'
) with (fillfactor = 50);

-- The late entries of a run of level 0 by version: the numbered run is the one before it, and all
-- late entries of the account up to its last version come to these totals. Up to each of its
-- versions, without that one, they come to those in the lists.
create table late_mark (
  account_id bigint not null,
  number bigint not null check (number > 0),
  version bigint not null,
  debits_minor bigint not null check (debits_minor >= 0),
  credits_minor bigint not null check (credits_minor >= 0),
  versions bigint[] not null check (cardinality(versions) = 64 and version = versions[64]),
  debits_before bigint[] not null check (cardinality(debits_before) = 64),
  credits_before bigint[] not null check (cardinality(credits_before) = 64),
  primary key (account_id, number),
  unique (account_id, version)
);

-- What a run's entries come to at each of their effective times: how many, their debits and credits
-- and their latest sequence, all from the run's beginning. A run of many times has several rows;
-- runs of a level are numbered from 0.
create table late_run (
  account_id bigint not null,
  number bigint not null check (number >= 0),
  first_time timestamptz not null,
  level int not null check (level >= 0),
  times timestamptz[] not null,
  counts bigint[] not null,
  debits_minor bigint[] not null,
  credits_minor bigint[] not null,
  sequences bigint[] not null,
  primary key (account_id, level, number, first_time),
  check (first_time = times[1] and cardinality(times) between 1 and 64)
);

-- A row is read for one of its elements: it lies in one piece, and as it is.
alter table late_mark
  alter column versions set storage plain,
  alter column debits_before set storage plain,
  alter column credits_before set storage plain;
alter table late_run
  alter column times set storage plain,
  alter column counts set storage plain,
  alter column debits_minor set storage plain,
  alter column credits_minor set storage plain,
  alter column sequences set storage plain;

create trigger late_mark_append_only before update or delete on late_mark
  for each statement execute function refuse_change();
create trigger late_run_append_only before update or delete on late_run
  for each statement execute function refuse_change();
revoke update, delete, truncate on late_mark, late_run from ledger_runtime;
revoke delete, truncate on late_position from ledger_runtime;

-- The account's last version that was written at or before the sequence; 0: none was.
create function entry_version_at(of_account bigint, until_sequence bigint) returns bigint
  language plpgsql stable parallel safe
  set enable_seqscan = off set enable_bitmapscan = off
  set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  low bigint := 0;
  high bigint;
  middle bigint;
  width bigint;
  probes int := 0;
  at_low bigint := 0;
  at_high bigint;
  at_middle bigint;
begin
  select version, sequence into high, at_high from account_state where account_id = of_account;
  if high is null or high = 0 or at_high <= until_sequence then
    return coalesce(high, 0);
  end if;
  width := high;
  while high - low > 1 loop
    -- Where it would lie if sequences grew evenly. Two such guesses that did not leave a quarter
    -- are followed by one in the middle, so that it never takes much longer than halving.
    if probes = 2 then
      middle := (low + high) / 2;
    else
      middle := low
        + ((high - low)::float8 * (until_sequence - at_low) / (at_high - at_low))::bigint;
      middle := greatest(low + 1, least(high - 1, middle));
    end if;
    select sequence into at_middle from entry where account_id = of_account and version = middle;
    if at_middle <= until_sequence then
      low := middle;
      at_low := at_middle;
    else
      high := middle;
      at_high := at_middle;
    end if;
    probes := probes + 1;
    if probes = 3 or (high - low) * 4 < width then
      width := high - low;
      probes := 0;
    end if;
  end loop;
  return low;
end $$;

-- The last version before the given one up to which no entry counts later than the time; 0: none.
-- The given one does.
create function entry_version_within(of_account bigint, before bigint, until_time timestamptz)
  returns bigint
  language plpgsql stable parallel safe
as $$
#variable_conflict use_column
declare
  low bigint := 1;
  high bigint := before;
  middle bigint;
  width bigint := before;
  probes int := 0;
  goal float8 := date_part('epoch', until_time);
  at_low timestamptz;
  at_high timestamptz;
  at_middle timestamptz;
  low_second float8;
  high_second float8;
begin
  select effective_time_max into at_low from entry where account_id = of_account and version = 1;
  if at_low > until_time then
    return 0;
  end if;
  select effective_time_max into at_high
  from entry where account_id = of_account and version = before;
  low_second := date_part('epoch', at_low);
  high_second := date_part('epoch', at_high);
  while high - low > 1 loop
    if probes = 2 then
      middle := (low + high) / 2;
    else
      middle := low + ((high - low) * (goal - low_second)
        / greatest(high_second - low_second, 0.000001))::bigint;
      middle := greatest(low + 1, least(high - 1, middle));
    end if;
    select effective_time_max into at_middle
    from entry where account_id = of_account and version = middle;
    if at_middle <= until_time then
      low := middle;
      low_second := date_part('epoch', at_middle);
    else
      high := middle;
      high_second := date_part('epoch', at_middle);
    end if;
    probes := probes + 1;
    if probes = 3 or (high - low) * 4 < width then
      width := high - low;
      probes := 0;
    end if;
  end loop;
  return low;
end $$;

-- What the late entries of versions after `whole_until` and up to `known_until` come to that count
-- at or before the time. No entry up to `whole_until` counts later than it.
create function late_totals(
  of_account bigint, whole_until bigint, known_until bigint, until_time timestamptz,
  out count bigint, out debits_minor bigint, out credits_minor bigint, out sequence bigint)
  language plpgsql stable parallel safe
as $$
#variable_conflict use_column
declare
  complete bigint[];
  marks bigint;
  marked_until bigint;
  whole record;
  place bigint := 0;
  size bigint;
  first_run bigint;
  first_place bigint;
  levels int[];
  firsts bigint[];
  lasts bigint[];
  part record;
begin
  count := 0;
  debits_minor := 0;
  credits_minor := 0;
  select runs into complete from late_position where account_id = of_account;
  if found then
    select number, version into marks, marked_until from late_mark
    where account_id = of_account and version <= known_until order by version desc limit 1;
  end if;
  if marked_until > whole_until then
    select number - 1 as runs, element, debits_before[element + 1] as debits,
      credits_before[element + 1] as credits
    into whole
    from (
      select *, width_bucket(whole_until, versions) as element from late_mark
      where account_id = of_account and version > whole_until order by version limit 1
    ) mark;

    -- The largest runs first; those that end up to `whole_until` are counted elsewhere.
    for level in reverse cardinality(complete) - 1 .. 0 loop
      size := 1::bigint << 3 * level;
      if least(complete[level + 1], marks / size) * size > place then
        first_run := greatest(place / size, whole.runs / size);
        place := least(complete[level + 1], marks / size) * size;
        if place > whole.runs then
          levels := levels || level;
          firsts := firsts || first_run;
          lasts := lasts || place / size - 1;
          first_place := coalesce(first_place, first_run * size);
        end if;
      end if;
    end loop;

    select coalesce(sum(run.counts[element]), 0) as count,
      coalesce(sum(run.debits_minor[element]), 0) as debits,
      coalesce(sum(run.credits_minor[element]), 0) as credits,
      max(run.sequences[element]) as sequence
    into part
    from unnest(levels, firsts, lasts) as taken (level, first, last)
    cross join lateral generate_series(taken.first, taken.last) as taken_number
    cross join lateral (
      select counts, late_run.debits_minor, late_run.credits_minor, sequences,
        width_bucket(until_time, times) as element
      from late_run
      where account_id = of_account and late_run.level = taken.level
        and late_run.number = taken_number and first_time <= until_time
      order by first_time desc limit 1
    ) run;

    -- The first of them may begin before `whole_until`. What it has up to there counts, every
    -- entry of it, and is taken off again.
    count := part.count - 64 * (whole.runs - first_place) - whole.element;
    debits_minor := part.debits - whole.debits;
    credits_minor := part.credits - whole.credits;
    sequence := part.sequence;
    if first_place > 0 then
      select mark.debits_minor as debits, mark.credits_minor as credits into part
      from late_mark mark where account_id = of_account and number = first_place;
      debits_minor := debits_minor + part.debits;
      credits_minor := credits_minor + part.credits;
    end if;
  end if;

  -- What no run holds yet.
  select count(*) as count, coalesce(sum(greatest(amount_minor, 0)), 0) as debits,
    coalesce(-sum(least(amount_minor, 0)), 0) as credits, max(entry.sequence) as sequence
  into part
  from entry
  where account_id = of_account and version > greatest(whole_until, marked_until)
    and version <= known_until
    and effective_time < effective_time_max and effective_time <= until_time;
  count := count + part.count;
  debits_minor := debits_minor + part.debits;
  credits_minor := credits_minor + part.credits;
  sequence := greatest(sequence, part.sequence);
end $$;

-- Totals of the account's entries that were written at or before the sequence and count at or
-- before the time; null: all. Version is their number, sequence that of the latest of them, or of
-- the account's opening.
create function balance_as_of(
  of_account bigint, until_sequence bigint, until_time timestamptz,
  out version bigint, out debits_minor bigint, out credits_minor bigint, out sequence bigint)
  language plpgsql stable parallel safe
  set enable_seqscan = off set enable_bitmapscan = off
  set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  known_until bigint;
  whole_until bigint;
  latest timestamptz;
  late record;
begin
  select state.version, state.debits_minor, state.credits_minor, state.sequence,
    state.effective_time_max
  into known_until, debits_minor, credits_minor, sequence, latest
  from account_state state where account_id = of_account;
  if sequence > until_sequence then
    known_until := entry_version_at(of_account, until_sequence);
    select debits_minor_after, credits_minor_after, entry.sequence, effective_time_max
    into debits_minor, credits_minor, sequence, latest
    from entry where account_id = of_account and entry.version = known_until;
  end if;
  version := known_until;
  if known_until > 0 and latest > until_time then
    whole_until := entry_version_within(of_account, known_until, until_time);
    select debits_minor_after, credits_minor_after, entry.sequence
    into debits_minor, credits_minor, sequence
    from entry where account_id = of_account and entry.version = whole_until;
    select * into late from late_totals(of_account, whole_until, known_until, until_time);
    version := whole_until + late.count;
    debits_minor := coalesce(debits_minor, 0) + late.debits_minor;
    credits_minor := coalesce(credits_minor, 0) + late.credits_minor;
    sequence := greatest(sequence, late.sequence);
  end if;
  if version = 0 then
    debits_minor := 0;
    credits_minor := 0;
    select opened_sequence into sequence from account where account_id = of_account;
  end if;
end $$;

-- The same entries one by one, by version: at most `rows_max` after the given version.
create function entries_as_of(
  of_account bigint, until_sequence bigint, until_time timestamptz, after_version bigint,
  rows_max bigint)
  returns setof entry
  language plpgsql stable
  set enable_seqscan = off set enable_bitmapscan = off
  set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  known_until bigint;
  whole_until bigint;
  latest timestamptz;
  after bigint := after_version;
  rows_left bigint := rows_max;
  rows_found bigint;
  complete bigint[];
  mark_known late_mark;
  place bigint;
  run_level int;
  run_size bigint;
begin
  select version, effective_time_max into known_until, latest
  from account_state where account_id = of_account;
  if until_sequence is not null then
    known_until := entry_version_at(of_account, until_sequence);
    select effective_time_max into latest
    from entry where account_id = of_account and version = known_until;
  end if;
  whole_until := known_until;
  if known_until > 0 and latest > until_time then
    whole_until := entry_version_within(of_account, known_until, until_time);
  end if;
  return query select * from entry
    where account_id = of_account and version > after and version <= whole_until
    order by version limit rows_left;
  get diagnostics rows_found = row_count;
  rows_left := rows_left - rows_found;
  if rows_left = 0 or whole_until = known_until then
    return;
  end if;

  after := greatest(after, whole_until);
  select runs into complete from late_position where account_id = of_account;
  if found then
    select * into mark_known from late_mark
    where account_id = of_account and version <= known_until order by version desc limit 1;
  end if;
  if mark_known.version > after then
    select number into place from late_mark
    where account_id = of_account and version <= after order by version desc limit 1;
    place := coalesce(place, 0);
    while place < mark_known.number and rows_left > 0 loop
      run_level := 0;
      run_size := 1;
      while place % (run_size * 8) = 0 and place + run_size * 8 <= mark_known.number
        and complete[run_level + 2] > place / (run_size * 8)
      loop
        run_level := run_level + 1;
        run_size := run_size * 8;
      end loop;
      -- A run whose earliest time is too late has nothing to show; of another, a part is looked at.
      loop
        perform from late_run
        where account_id = of_account and late_run.level = run_level
          and number = place / run_size and first_time <= until_time
        limit 1;
        exit when not found or run_level = 0;
        run_level := run_level - 1;
        run_size := run_size / 8;
      end loop;
      if found then
        return query select entry.* from entry
          where entry.account_id = of_account
            and entry.version > greatest(after, (
              select mark.version from late_mark mark
              where mark.account_id = of_account and mark.number = place))
            and entry.version <= (
              select mark.version from late_mark mark
              where mark.account_id = of_account and mark.number = place + 1)
            and effective_time < effective_time_max and effective_time <= until_time
          order by entry.version limit rows_left;
        get diagnostics rows_found = row_count;
        rows_left := rows_left - rows_found;
      end if;
      place := place + run_size;
    end loop;
    after := mark_known.version;
  end if;
  return query select * from entry
    where account_id = of_account and version > after and version <= known_until
      and effective_time < effective_time_max and effective_time <= until_time
    order by version limit rows_left;
end $$;

-- The lowest level that has what another run of the next one takes; null: none has.
create function late_level_due(complete bigint[]) returns int
  language plpgsql immutable parallel safe
as $$
begin
  for level in 1 .. coalesce(cardinality(complete), 0) loop
    if complete[level] >= (coalesce(complete[level + 1], 0) + 1) * 8 then
      return level;
    end if;
  end loop;
  return null;
end $$;

-- Whether so many late entries of the account are in no run yet, or runs can be merged.
create function is_late_index_due(of_account bigint, entries_min int) returns boolean
  language plpgsql stable parallel safe
  set enable_seqscan = off set enable_bitmapscan = off
  set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  perform from entry
  where account_id = of_account and effective_time < effective_time_max
    and version > coalesce((
      select version from late_mark where account_id = of_account
      order by number desc limit 1), 0)
  order by version offset entries_min - 1 limit 1;
  return found or late_level_due((
    select runs from late_position where account_id = of_account)) is not null;
end $$;

-- Accounts after the given one that have late entries, and whether their index is to be continued.
create function late_accounts(after_account bigint, entries_min int, accounts_max int)
  returns table (account_id bigint, is_due boolean)
  language plpgsql stable
  set enable_seqscan = off set enable_bitmapscan = off
  set plan_cache_mode = force_generic_plan
as $$
begin
  account_id := after_account;
  for place in 1 .. accounts_max loop
    select entry.account_id into account_id from entry
    where entry.account_id > late_accounts.account_id and effective_time < effective_time_max
    order by entry.account_id, version limit 1;
    exit when not found;
    is_due := is_late_index_due(account_id, entries_min);
    return next;
  end loop;
end $$;

-- One step of the index of one account's late entries: at most so many runs of level 0, and about
-- so many rows of a run of another level. True: there is more to do. Does nothing while another
-- process takes a step for the same account.
create function index_late_entries(of_account bigint, runs_max int, rows_wanted int) returns boolean
  language plpgsql
  set enable_seqscan = off set enable_bitmapscan = off
  set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  rows_max int := greatest(rows_wanted, 8);
  complete bigint[];
  mark late_mark;
  found_entries bigint;
  upper_level int;
  upper_number bigint;
  last record;
  next_time timestamptz;
begin
  select runs into complete from late_position where account_id = of_account for update skip locked;
  if not found then
    -- Somebody takes a step, or nobody ever did. An insert would wait for who does.
    perform from late_position where account_id = of_account;
    if found then
      return false;
    end if;
    insert into late_position (account_id) values (of_account) on conflict do nothing
    returning runs into complete;
    if not found then
      return false;
    end if;
  end if;
  select * into mark from late_mark where account_id = of_account order by number desc limit 1;
  mark.number := coalesce(mark.number, 0);

  with late as materialized (
    select row_number() over (order by version) - 1 as place, version, effective_time, sequence,
      greatest(amount_minor, 0) as debits, -least(amount_minor, 0) as credits
    from (
      select version, effective_time, sequence, amount_minor from entry
      where account_id = of_account and version > coalesce(mark.version, 0)
        and effective_time < effective_time_max
      order by version limit runs_max * 64
    ) next_entries
  ), taken as materialized (
    select mark.number + place / 64 as number, late.* from late
    where place < (select count(*) / 64 * 64 from late)
  ), marked as (
    insert into late_mark (account_id, number, version, debits_minor, credits_minor, versions,
      debits_before, credits_before)
    select of_account, number + 1, max(version), max(debits_after), max(credits_after),
      array_agg(version order by version), array_agg(debits_after - debits order by version),
      array_agg(credits_after - credits order by version)
    from (
      select number, version, debits, credits,
        (coalesce(mark.debits_minor, 0) + sum(debits) over by_version)::bigint as debits_after,
        (coalesce(mark.credits_minor, 0) + sum(credits) over by_version)::bigint as credits_after
      from taken window by_version as (order by version)
    ) summed
    group by number
  ), run as (
    insert into late_run (account_id, number, first_time, level, times, counts, debits_minor,
      credits_minor, sequences)
    select of_account, number, min(effective_time), 0,
      array_agg(effective_time order by effective_time),
      array_agg(counts order by effective_time), array_agg(debits order by effective_time),
      array_agg(credits order by effective_time), array_agg(sequences order by effective_time)
    from (
      select number, effective_time, (sum(count(*)) over by_time)::bigint as counts,
        (sum(sum(debits)) over by_time)::bigint as debits,
        (sum(sum(credits)) over by_time)::bigint as credits,
        max(max(sequence)) over by_time as sequences
      from taken group by number, effective_time
      window by_time as (partition by number order by effective_time)
    ) of_time
    group by number
  )
  select count(*) into found_entries from taken;
  complete[1] := mark.number + found_entries / 64;

  upper_level := late_level_due(complete);
  if upper_level is not null then
    upper_number := coalesce(complete[upper_level + 1], 0);
    -- It may have begun in an earlier step.
    select max(times[cardinality(times)]) as time, max(counts[cardinality(times)]) as counts,
      max(debits_minor[cardinality(times)]) as debits,
      max(credits_minor[cardinality(times)]) as credits,
      max(sequences[cardinality(times)]) as sequences
    into last
    from (
      select * from late_run
      where account_id = of_account and level = upper_level and number = upper_number
      order by first_time desc limit 1
    ) latest;
    last.time := coalesce(last.time, '-infinity');
    -- Where this step ends; null: with the run. At most eight rows begin at the same time, so each
    -- step of more than eight goes on.
    select part.first_time into next_time
    from generate_series(upper_number * 8, upper_number * 8 + 7) as lower_number
    cross join lateral (
      select first_time from late_run
      where account_id = of_account and level = upper_level - 1 and number = lower_number
        and first_time > last.time
      order by first_time limit rows_max + 1
    ) part
    order by part.first_time offset rows_max limit 1;

    insert into late_run (account_id, number, first_time, level, times, counts, debits_minor,
      credits_minor, sequences)
    with part as (
      select lower_number, part.*
      from generate_series(upper_number * 8, upper_number * 8 + 7) as lower_number
      cross join lateral (
        (select times, counts, debits_minor, credits_minor, sequences from late_run
        where account_id = of_account and level = upper_level - 1 and number = lower_number
          and first_time <= last.time
        order by first_time desc limit 1)
        union all
        (select times, counts, debits_minor, credits_minor, sequences from late_run
        where account_id = of_account and level = upper_level - 1 and number = lower_number
          and first_time > last.time and (next_time is null or first_time < next_time))
      ) part
    ), step as (
      select time, element.counts - lag(element.counts, 1, 0::bigint) over by_time as counts,
        element.debits - lag(element.debits, 1, 0::bigint) over by_time as debits,
        element.credits - lag(element.credits, 1, 0::bigint) over by_time as credits,
        element.sequences
      from part
      cross join lateral unnest(times, part.counts, debits_minor, credits_minor, part.sequences)
        as element (time, counts, debits, credits, sequences)
      window by_time as (partition by lower_number order by time)
    ), of_time as (
      select time, (row_number() over by_time - 1) / 64 as row_number,
        (coalesce(last.counts, 0) + sum(sum(counts)) over by_time)::bigint as counts,
        (coalesce(last.debits, 0) + sum(sum(debits)) over by_time)::bigint as debits,
        (coalesce(last.credits, 0) + sum(sum(credits)) over by_time)::bigint as credits,
        greatest(last.sequences, max(max(sequences)) over by_time) as sequences
      from step
      where time > last.time and (next_time is null or time < next_time)
      group by time
      window by_time as (order by time)
    )
    select of_account, upper_number, min(time), upper_level, array_agg(time order by time),
      array_agg(counts order by time), array_agg(debits order by time),
      array_agg(credits order by time), array_agg(sequences order by time)
    from of_time group by row_number;
    if next_time is null then
      complete[upper_level + 1] := upper_number + 1;
    end if;
  end if;

  update late_position set runs = complete where account_id = of_account;
  return upper_level is not null or found_entries = runs_max * 64;
end $$;

-- As in migration 5, and: an entry counts when its transaction does, and knows the latest time that
-- counts before or with it on its account.

create or replace function check_entry() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  with legs as materialized (
    select account.ledger_id, fresh.sequence, account.asset_code,
      sum(fresh.amount_minor) as difference, count(*) as legs,
      min(fresh.effective_time) as earliest, max(fresh.effective_time) as latest
    from fresh left join account using (account_id)
    group by account.ledger_id, fresh.sequence, account.asset_code
  ), written as materialized (
    select ledger_id, sequence, bool_and(difference = 0) as balanced, sum(legs) as legs,
      min(earliest) as earliest, max(latest) as latest
    from legs group by ledger_id, sequence
  )
  select problem.sequence, problem.text into broken
  from (
    select sequence, 'has an entry on no account' as text from written where ledger_id is null
    union all
    select sequence, 'is not balanced' from written where not balanced
    union all
    select written.sequence, 'does not have the legs it says'
    from written
    left join transaction
      on transaction.ledger_id = written.ledger_id and transaction.sequence = written.sequence
    where transaction.legs is distinct from written.legs
    union all
    select first.sequence, 'was written before, its entries are complete'
    from (select ledger_id, min(sequence) as sequence from written group by ledger_id) first
    left join ledger on ledger.id = first.ledger_id
    left join batch on batch.ledger_id = first.ledger_id
      and batch.last_sequence = ledger.head_sequence
    where batch.first_sequence is null
      or first.sequence < batch.first_sequence
      or batch.written_by <> pg_current_xact_id()
    union all
    select written.sequence, 'has an entry that counts at another time'
    from written
    join transaction
      on transaction.ledger_id = written.ledger_id and transaction.sequence = written.sequence
    where transaction.effective_time <> written.earliest
      or transaction.effective_time <> written.latest
  ) problem
  limit 1;
  if found then
    raise exception 'transaction % %', broken.sequence, broken.text
      using errcode = 'check_violation';
  end if;

  select numbered.account_id, numbered.version into broken
  from (
    select account_id, version, sequence, amount_minor, debits_minor_after, credits_minor_after,
      effective_time, effective_time_max,
      lag(version) over account_entries as version_before,
      lag(sequence) over account_entries as sequence_before,
      lag(debits_minor_after) over account_entries as debits_before,
      lag(credits_minor_after) over account_entries as credits_before,
      lag(effective_time_max) over account_entries as effective_max_before
    from fresh window account_entries as (partition by account_id order by version)
  ) numbered
  left join lateral (
    select entry.version, entry.sequence, entry.debits_minor_after, entry.credits_minor_after,
      entry.effective_time_max
    from entry
    where numbered.version_before is null
      and entry.account_id = numbered.account_id and entry.version = numbered.version - 1
  ) previous on true
  where numbered.version <> coalesce(numbered.version_before, previous.version, 0) + 1
    or numbered.sequence < coalesce(numbered.sequence_before, previous.sequence + 1, 0)
    or numbered.debits_minor_after
      <> coalesce(numbered.debits_before, previous.debits_minor_after, 0)
        + greatest(numbered.amount_minor, 0)
    or numbered.credits_minor_after
      <> coalesce(numbered.credits_before, previous.credits_minor_after, 0)
        - least(numbered.amount_minor, 0)
    or numbered.effective_time_max <> greatest(numbered.effective_time,
      coalesce(numbered.effective_max_before, previous.effective_time_max))
  limit 1;
  if found then
    raise exception 'entry % of account % does not continue the one before it',
      broken.version, broken.account_id using errcode = 'check_violation';
  end if;

  select written.account_id, written.version,
    case when account_state.version is distinct from written.version
      then 'is not counted in its state' else 'is on an account that takes none' end as text
  into broken
  from (
    select account_id, max(version) as version, max(sequence) as sequence
    from fresh group by account_id
  ) written
  left join account_state using (account_id)
  where account_state.version is distinct from written.version
    -- What was posted before it was frozen or closed may be of the same batch.
    or (account_state.status <> 'open' and written.sequence > account_state.changed_sequence)
  limit 1;
  if found then
    raise exception 'entry % of account % %', broken.version, broken.account_id, broken.text
      using errcode = 'check_violation';
  end if;
  return null;
end $$;

-- As in migration 2, and: the latest time among the entries is that of the last one, and the account
-- grows as its kind does, or its limits would bound the wrong side.

create or replace function check_account_state() returns trigger language plpgsql
  set search_path from current
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  broken record;
begin
  select fresh.account_id, fresh.version into broken
  from fresh
  left join account using (account_id)
  left join entry last on last.account_id = fresh.account_id and last.version = fresh.version
  left join entry later on later.account_id = fresh.account_id and later.version = fresh.version + 1
  where account.account_id is null
    or later.version is not null
    or (fresh.debits_minor, fresh.credits_minor) is distinct from
      (coalesce(last.debits_minor_after, 0), coalesce(last.credits_minor_after, 0))
    or fresh.sequence <> coalesce(last.sequence, account.opened_sequence)
    or (fresh.version > 0) <> (last.version is not null)
    or fresh.effective_time_max is distinct from last.effective_time_max
    or fresh.grows_by_debits <> (account.kind in ('asset', 'expense'))
  limit 1;
  if found then
    raise exception 'state of account % at version % is not its last entry',
      broken.account_id, broken.version using errcode = 'check_violation';
  end if;
  return null;
end $$;
