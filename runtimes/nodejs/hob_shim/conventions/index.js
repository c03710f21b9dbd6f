'use strict';

// How a call becomes a call of the user's function. One entry for each shape.
//
// A convention is `prepare(handler, about, exported)`, called once after loading: the function, the `function` object
// of the load frame with the entry, and all that the file exports. It returns, or promises, `answer(invoke, body)`, which is called for
// each call with the invoke frame's header and the whole body, and returns, or promises, an answer (see answers.js).
// What it throws is the function's own exception, unless it was made by failures.badInput or failures.notJson.

module.exports = {
  __proto__: null,
  kwargs: require('./kwargs'),
  'event-context': require('./event_context'),
  'context-event': require('./context_event'),
};
