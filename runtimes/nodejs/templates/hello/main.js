// Greets whom it is told to. Try: hob invoke NAME -d '{"name": "Ada"}'
exports.main = (context, input) => {
  const { name = 'World' } = input ?? {};
  console.log('greeting', name);
  return { hello: name };
};
