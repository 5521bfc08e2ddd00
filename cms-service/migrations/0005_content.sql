-- Content as blocks, in several locales, with places that move, former slugs that redirect,
-- prerequisites, a log of changes, and the life of a course beyond its publication.

-- Translations and blocks are the JSON of their messages (bursar.cms.v1): only this service reads
-- them, and always as messages.
alter table course
  add column summary text not null default '',
  add column default_locale text collate "C" not null default 'en',
  add column translations jsonb not null default '[]',
  add column completion_rule jsonb not null default '{}',
  -- Version of the tree at which the course's own fields were last changed.
  add column own_version bigint not null default 1,
  -- A revision that takes the published one's place at its time.
  add column scheduled_revision int,
  add column scheduled_time timestamptz,
  add column unpublish_time timestamptz,
  add column archive_time timestamptz,
  add column delete_time timestamptz,
  add column purge_time timestamptz,
  add constraint course_scheduled_revision_fkey
    foreign key (course_id, scheduled_revision) references course_revision,
  add constraint course_scheduled check ((scheduled_revision is null) = (scheduled_time is null)),
  add constraint course_purged_after_delete check ((delete_time is null) = (purge_time is null));

-- The version of a part is the version of the tree at its last change, so every etag that is not
-- older than that has seen the part as it is.
alter table module
  add column translations jsonb not null default '[]',
  add column version bigint not null default 1;

alter table lesson
  add column blocks jsonb not null default '[]',
  add column translations jsonb not null default '[]',
  add column version bigint not null default 1;

-- Every text becomes a block of rich text. Its id follows from the lesson's.
update lesson set blocks = jsonb_build_array(jsonb_build_object(
  'blockId', 'blk_' || substr(lesson_id, 5), 'richText', jsonb_build_object('markdown', body_markdown)))
where body_markdown <> '';
update module set version = (select c.version from course c where c.course_id = module.course_id);
update lesson set version = (select c.version from course c where c.course_id = lesson.course_id);
update course set own_version = version;
alter table lesson drop column body_markdown;

-- Slugs that courses have and had. A slug once used is never another course's.
create table course_slug (
  slug text collate "C" primary key,
  course_id text collate "C" not null references course,
  create_time timestamptz not null default now()
);
insert into course_slug (slug, course_id) select slug, course_id from course;
create index course_slug_by_course on course_slug (course_id);

create table course_prerequisite (
  course_id text collate "C" not null references course,
  prerequisite_course_id text collate "C" not null references course,
  primary key (course_id, prerequisite_course_id),
  check (course_id <> prerequisite_course_id)
);
create index course_prerequisite_by_prerequisite
  on course_prerequisite (prerequisite_course_id);

create table lesson_prerequisite (
  lesson_id text collate "C" not null references lesson on delete cascade,
  prerequisite_lesson_id text collate "C" not null references lesson on delete cascade,
  primary key (lesson_id, prerequisite_lesson_id),
  check (lesson_id <> prerequisite_lesson_id)
);
create index lesson_prerequisite_by_prerequisite on lesson_prerequisite (prerequisite_lesson_id);

-- What changed since an etag: one row a part that a change touched.
create table course_change (
  course_id text collate "C" not null references course,
  version bigint not null,
  resource text collate "C" not null,
  what text not null,
  actor text not null,
  change_time timestamptz not null default now(),
  primary key (course_id, version, resource)
);

-- What a publication says about the course itself; earlier ones said nothing of it.
alter table course_revision
  add column prerequisite_course_ids text[] not null default '{}',
  add column author text not null default '',
  add column create_time timestamptz not null default now();

alter table revision_lesson
  add column position int not null default 0,
  add column prerequisite_lesson_ids text[] not null default '{}';

-- What learners see, exact by the clock: a scheduled revision is seen from its time on, whether or
-- not anybody has written that down yet. Everything that serves learners reads this.
create view live_course as
select course_id, slug,
       case when scheduled_time <= now() then scheduled_revision else published_revision end
         as revision,
       archive_time is null as listed
from course
where delete_time is null
  and coalesce(case when scheduled_time <= now() then scheduled_revision end, published_revision)
      is not null;
