// @nuclio.configure
//
// function.yaml:
//   spec:
//     description: Takes signed webhooks, and refuses those whose HMAC-SHA256 does not fit the variable WEBHOOK_SECRET.
//     handler: webhook:handler
//     runtime: nodejs
//     env:
//     - name: WEBHOOK_SECRET
//       value: change-me

const { createHmac, timingSafeEqual } = require('crypto');

function fits(body, signature) {
  const expected = Buffer.from(`sha256=${createHmac('sha256', process.env.WEBHOOK_SECRET).update(body).digest('hex')}`);
  const shown = Buffer.from(signature ?? '');
  return shown.length === expected.length && timingSafeEqual(shown, expected);
}

exports.handler = (context, event) => {
  if (!fits(event.body, event.headers['X-Hub-Signature-256'])) return context.callback([401, 'The signature does not fit']);
  context.logger.infoWith('Taken', { bytes: event.body.length });
  context.callback([202, 'taken']);
};
