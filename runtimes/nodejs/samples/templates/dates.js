// @nuclio.configure
//
// function.yaml:
//   spec:
//     description: Answers with the moment that lies so many seconds, minutes, hours or days ahead.
//     handler: dates:handler
//     runtime: nodejs

const LENGTHS = { seconds: 1e3, minutes: 6e4, hours: 36e5, days: 864e5 };

exports.handler = async (context, event) => {
  const wanted = event.body.length > 0 ? JSON.parse(event.body.toString()) : { value: 0, unit: 'seconds' };
  if (!(wanted.unit in LENGTHS)) return [400, `The unit is one of ${Object.keys(LENGTHS).join(', ')}`];
  return new Date(Date.now() + wanted.value * LENGTHS[wanted.unit]).toISOString();
};
