-- Why: a revision may say which pages of other origins may call it. JSON; null: none.

alter table revision add column cors text;
