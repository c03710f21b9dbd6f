// The smallest useful function: greets whom it is told to.
exports.main = (context, input) => {
  const { name = 'World' } = input ?? {};
  console.log('greeting', name);
  return `Hello, ${name}!`;
};
