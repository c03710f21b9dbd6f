// @nuclio.configure
//
// function.yaml:
//   spec:
//     description: Answers with a greeting.
//     handler: hello:handler
//     runtime: nodejs

exports.handler = (context, event) => {
  const name = event.fields?.name ?? 'world';
  context.callback(`Hello, ${name}!`);
};
