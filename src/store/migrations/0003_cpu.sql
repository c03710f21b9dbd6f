-- Why: a revision may have a limit of processor time, in thousandths of a core; null is no limit.

alter table revision add column cpu_millis integer;
