-- What learners did: how far each is in each lesson, and which courses each completed. Both only
-- ever grow, so that it does not matter in which order, or how often, they are written.

-- Of a lesson that later revisions left out the progress stays, so it references no draft.
create table lesson_progress (
  learner_id text collate "C" not null check (learner_id <> ''),
  course_id text collate "C" not null references course,
  lesson_id text collate "C" not null check (lesson_id ~ '^les_[0-9a-z]{26}$'),
  percent int not null check (percent between 0 and 100),
  -- The furthest place in what is played.
  position_ms bigint not null default 0 check (position_ms >= 0),
  -- When 100 percent was first reached. With required quizzes that is not yet its completion.
  reach_time timestamptz,
  complete_time timestamptz,
  create_time timestamptz not null default now(),
  update_time timestamptz not null default now(),
  primary key (learner_id, course_id, lesson_id),
  check ((percent = 100) = (reach_time is not null)),
  check (complete_time is null or reach_time is not null)
);

create function refuse_less_progress() returns trigger language plpgsql as $$
begin
  raise exception 'progress of lesson % does not go back', old.lesson_id
    using errcode = 'restrict_violation';
end
$$;

create trigger lesson_progress_goes_forward before update on lesson_progress for each row
  when (new.percent < old.percent or new.position_ms < old.position_ms
        or (old.reach_time is not null and (new.reach_time > old.reach_time) is not false)
        or (old.complete_time is not null and (new.complete_time > old.complete_time) is not false))
  execute function refuse_less_progress();

-- A completion survives later revisions and refunds: it is written once and stays.
create table course_completion (
  learner_id text collate "C" not null check (learner_id <> ''),
  course_id text collate "C" not null,
  -- The revision whose rule was met.
  revision int not null,
  complete_time timestamptz not null default now(),
  primary key (learner_id, course_id),
  foreign key (course_id, revision) references course_revision
);

create trigger course_completion_is_kept before update or delete or truncate on course_completion
  for each statement execute function refuse_change();

revoke update, delete, truncate on course_completion from cms_runtime;

-- A learner's standing in a quiz: the row that attempts wait on, so that no two are the last one.
create table quiz_standing (
  learner_id text collate "C" not null check (learner_id <> ''),
  course_id text collate "C" not null references course,
  lesson_id text collate "C" not null,
  block_id text collate "C" not null,
  attempts int not null check (attempts > 0),
  pass_time timestamptz,
  primary key (learner_id, course_id, lesson_id, block_id)
);

-- The attempt is the bytes of a bursar.cms.v1.QuizAttempt.
create table quiz_attempt (
  attempt_id text collate "C" primary key check (attempt_id ~ '^att_[0-9a-z]{26}$'),
  learner_id text collate "C" not null,
  course_id text collate "C" not null,
  lesson_id text collate "C" not null,
  block_id text collate "C" not null,
  number int not null,
  attempt bytea not null,
  unique (learner_id, course_id, lesson_id, block_id, number),
  foreign key (learner_id, course_id, lesson_id, block_id) references quiz_standing
);

create index quiz_attempt_by_learner on quiz_attempt (learner_id, attempt_id);

create trigger quiz_attempt_is_kept before update or delete or truncate on quiz_attempt
  for each statement execute function refuse_change();

revoke update, delete, truncate on quiz_attempt from cms_runtime;

-- The statement is what the token says: it is read without its key.
create table certificate (
  serial text collate "C" primary key check (serial ~ '^crt_[0-9a-z]{26}$'),
  learner_id text collate "C" not null,
  course_id text collate "C" not null,
  issuer text not null,
  learner_name text not null check (learner_name <> ''),
  course_title text not null,
  revision int not null,
  complete_date date not null,
  issue_time timestamptz not null,
  token text not null,
  replaces_serial text collate "C" unique references certificate,
  revoke_time timestamptz,
  revoke_reason text,
  foreign key (learner_id, course_id) references course_completion,
  check ((revoke_time is null) = (revoke_reason is null))
);

create unique index certificate_in_force on certificate (learner_id, course_id)
  where revoke_time is null;
create index certificate_by_learner on certificate (learner_id, serial);

create function refuse_certificate_change() returns trigger language plpgsql as $$
begin
  raise exception 'certificate % is only ever revoked, once', old.serial
    using errcode = 'restrict_violation';
end
$$;

create trigger certificate_is_signed before update on certificate for each row
  when (old.revoke_time is not null or new.token <> old.token or new.serial <> old.serial
        or new.learner_id <> old.learner_id or new.course_id <> old.course_id)
  execute function refuse_certificate_change();
create trigger certificate_is_kept before delete or truncate on certificate
  for each statement execute function refuse_change();

revoke delete, truncate on certificate from cms_runtime;
