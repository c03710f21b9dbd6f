// The function both sides run, in Node.js; see main.py.
exports.main = (context, { name = 'world' } = {}) => ({ greeting: `Hello, ${name}!`, length: name.length });
