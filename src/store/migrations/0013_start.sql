-- Why: the container of an image may be started with another command and other arguments than the image says.

alter table revision add column command text not null default '[]';
alter table revision add column arguments text not null default '[]';
