-- Why: a revision may be an image instead of a code package (`code` is empty then), and a package may run
-- on an image of the user's in place of its runtime's own.

alter table revision add column image text;
alter table revision add column runtime_image text;
