// Answers what it was given: an object as it is, a plain text as the text.
exports.main = (context, input) => {
  const { __function_input: text, ...rest } = input ?? {};
  if (text === undefined) return rest;
  return Object.keys(rest).length === 0 ? text : { text, ...rest };
};
