// The two functions of the suite: one answers with what it was given, the other through its callback.
const VERSION = 'one';

module.exports.handle = async (event, context) => {
  console.log('called', event.httpMethod, event.body);
  return {
    statusCode: 201,
    body: {version: VERSION, shared: process.env.SHARED, own: process.env.OWN, name: context.functionName},
  };
};

module.exports.second = (event, context, callback) => callback(null, {body: {message: 'second'}});
