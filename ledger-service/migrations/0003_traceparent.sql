-- Which trace a fact belongs to: the W3C context of the event or call that caused it, written with
-- the fact and never changed. It stands beside the bytes that are hashed, not in them: it says how
-- the fact came about, not what it is, and an auditor needs nothing of it. Absent for facts that are
-- older than this column, or that nobody's trace caused; a release that does not know the column
-- writes none.

alter table journal add column traceparent text;
