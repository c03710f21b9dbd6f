-- Why: what a function needs is built into an image of its own, which its workers run; the user may name commands for
-- it, and is told when another version is used than was asked for. `build.image` stays the image to carry elsewhere.

alter table revision add column build_commands text not null default '[]';
alter table revision add column notice text;
alter table build add column worker_image text;
