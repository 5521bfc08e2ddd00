-- Courses as their authors see them (course, module, lesson) and as they were published
-- (course_revision, revision_lesson), which nobody changes any more, the owner included.

create table course (
  course_id text collate "C" primary key check (course_id ~ '^crs_[0-9a-z]{26}$'),
  slug text collate "C" not null unique,
  title text not null,
  -- Version of the whole tree: every change of a module or lesson raises it. The etag is it.
  version bigint not null default 1 check (version > 0),
  published_revision int,
  create_time timestamptz not null default now(),
  update_time timestamptz not null default now()
);

-- Ranks are text that sorts byte by byte, so that a thing can be put between two others without
-- touching them. Deferrable: two things may change places within an SQL transaction.
create table module (
  module_id text collate "C" primary key check (module_id ~ '^mod_[0-9a-z]{26}$'),
  course_id text collate "C" not null references course,
  rank text collate "C" not null check (rank <> ''),
  title text not null,
  unique (course_id, module_id),
  unique (course_id, rank) deferrable initially deferred
);

create table lesson (
  lesson_id text collate "C" primary key check (lesson_id ~ '^les_[0-9a-z]{26}$'),
  course_id text collate "C" not null,
  module_id text collate "C" not null,
  rank text collate "C" not null check (rank <> ''),
  title text not null,
  body_markdown text not null,
  free_preview boolean not null,
  foreign key (course_id, module_id) references module (course_id, module_id),
  unique (module_id, rank) deferrable initially deferred
);

create index lesson_by_course on lesson (course_id);

-- The snapshot is the bytes of a bursar.cms.v1.CourseRevision without its number and time, so that
-- equal content has an equal hash. The outline is the same without the texts of the lessons: what
-- a catalog page reads.
create table course_revision (
  course_id text collate "C" not null references course,
  revision int not null check (revision > 0),
  title text not null,
  slug text collate "C" not null,
  snapshot bytea not null,
  sha256 bytea not null,
  outline bytea not null,
  publish_time timestamptz not null,
  primary key (course_id, revision),
  constraint sha256_of_snapshot check (sha256 = sha256(snapshot))
);

-- The bytes of a bursar.cms.v1.Lesson, so that a learner's page reads one lesson, not the course.
create table revision_lesson (
  course_id text collate "C" not null,
  revision int not null,
  lesson_id text collate "C" not null,
  free_preview boolean not null,
  lesson bytea not null,
  primary key (course_id, revision, lesson_id),
  foreign key (course_id, revision) references course_revision
);

alter table course add foreign key (course_id, published_revision) references course_revision;

create index course_published on course (slug) where published_revision is not null;

create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is never changed once it is written', tg_table_name
    using errcode = 'restrict_violation';
end
$$;

create trigger course_revision_is_immutable before update or delete or truncate on course_revision
  for each statement execute function refuse_change();
create trigger revision_lesson_is_immutable before update or delete or truncate on revision_lesson
  for each statement execute function refuse_change();

revoke update, delete, truncate on course_revision, revision_lesson from cms_runtime;
