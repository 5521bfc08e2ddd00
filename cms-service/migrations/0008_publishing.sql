-- What was done to the publication of a course, and the keys that preview tokens are signed with.

-- A revision that was only scheduled stands here too: what learners really saw, one after the
-- other, are the rows of kind 'published' and 'unpublished'.
create table course_publication (
  publication_id bigint generated always as identity primary key,
  course_id text collate "C" not null references course,
  kind text not null check (kind in (
    'published', 'scheduled', 'schedule-cancelled', 'unpublished', 'archived', 'unarchived')),
  from_revision int,
  to_revision int,
  actor text not null,
  effective_time timestamptz not null,
  record_time timestamptz not null default clock_timestamp(),
  foreign key (course_id, from_revision) references course_revision,
  foreign key (course_id, to_revision) references course_revision
);
create index course_publication_by_course on course_publication (course_id, publication_id);

insert into course_publication
  (course_id, kind, from_revision, to_revision, actor, effective_time, record_time)
select course_id, 'published', nullif(revision - 1, 0), revision, author, publish_time, publish_time
from course_revision
order by publish_time, course_id, revision;

create trigger course_publication_is_immutable before update or delete or truncate
  on course_publication for each statement execute function refuse_change();
revoke update, delete, truncate on course_publication from cms_runtime;

-- Whoever looks for what has come due reads this index, which is small.
create index course_scheduled on course (scheduled_time) where scheduled_time is not null;

-- One key a course. A new key ends every token that was signed with the one before.
create table preview_key (
  course_id text collate "C" primary key references course,
  key bytea not null check (length(key) = 32),
  create_time timestamptz not null default now()
);
