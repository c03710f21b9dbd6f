// Answers HTTP: method, path, query and headers in, status, headers and body out.
exports.handle = async (event) => {
  if (event.httpMethod === 'POST') {
    return answer(201, { received: event.body ?? '' });
  }
  return answer(200, { path: event.path, query: event.queryStringParameters ?? {} });
};

const answer = (statusCode, value) => ({
  statusCode,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
});
