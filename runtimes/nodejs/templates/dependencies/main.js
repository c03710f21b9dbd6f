// Uses a package from package.json, which is installed once, and again only when that file changes.
const ms = require('ms');

exports.main = (context, input) => {
  const { time = '2 days' } = input ?? {};
  return { time, milliseconds: ms(time) };
};
