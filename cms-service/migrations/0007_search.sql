-- What is searched: the words of courses and lessons, as learners see them. It all follows from
-- the revisions, so it can be thrown away and made again.

-- Lessons are asked for by their own id: which course has it follows from what was published.
create index revision_lesson_by_lesson on revision_lesson (lesson_id);

-- Which revisions can be found. Nothing refers to their rows: they go when nobody can see them.
create table search_revision (
  course_id text collate "C" not null,
  revision int not null,
  index_time timestamptz not null default now(),
  primary key (course_id, revision)
);

-- Languages that something was ever indexed in.
create table search_language (
  config text collate "C" primary key
);

-- A course (no lesson_id) or a lesson in one of the locales it is written in.
create table search_entry (
  entry_id bigint generated always as identity primary key,
  course_id text collate "C" not null,
  revision int not null,
  lesson_id text collate "C" not null default '',
  locale text collate "C" not null,
  -- In lower case: this one, and all that the thing is written in, of which each learner is shown
  -- one. What is not translated for a learner is shown in the default locale.
  locale_tag text collate "C" not null,
  locale_tags text[] collate "C" not null,
  is_default boolean not null,
  -- The text search configuration that its words were taken apart with.
  config text collate "C" not null,
  free_preview boolean not null,
  course_title text not null,
  lesson_title text not null,
  -- A course's summary, a lesson's text.
  body text not null,
  -- Words of its own title alone, and of all of it.
  titles tsvector not null,
  document tsvector not null,
  unique (course_id, revision, lesson_id, locale)
);

-- The database takes new words into these by and by (fastupdate, its default): a course brings very
-- many at once, and its publication would take three times as long.
create index search_entry_titles on search_entry using gin (titles);
create index search_entry_document on search_entry using gin (document);

-- What learners see and matches, of one language. A word that is nearly everywhere must not cost as
-- much as all there is: of very many, the first that stand in the table are taken, but more of those
-- whose titles match, which are the better ones. The ways to read and to join that are ruled out
-- would go through the texts one by one, in the hope of a hit.
create function search_matches(
  in_config text, query tsquery, locales text[], in_course text, titles_max int, texts_max int)
returns setof bigint language sql stable
set enable_seqscan = off set enable_nestloop = off set enable_mergejoin = off
set plan_cache_mode = force_custom_plan set work_mem = '16MB'
as $$
  with shown as not materialized (
    select e.entry_id, e.titles, e.document
    from search_entry e
    join live_course live on live.course_id = e.course_id and live.revision = e.revision
    where e.config = in_config
      and case when in_course = '' then live.listed else e.course_id = in_course end
      and case when cardinality(e.locale_tags) = 1 then true else coalesce((
        select wanted.tag = e.locale_tag
        from unnest(locales) with ordinality as wanted (tag, place)
        where wanted.tag = any(e.locale_tags)
        order by wanted.place limit 1), e.is_default) end
  )
  (select entry_id from shown where titles @@ query limit titles_max)
  union
  (select entry_id from shown where document @@ query limit texts_max)
$$;
