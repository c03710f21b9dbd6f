-- Why: a function may run on an image of its user's, with the runtime's shim put onto it; what is done to that image
-- first is kept with it. JSON: its name and the steps. Null: the runtime's own base.

alter table revision add column base text;
