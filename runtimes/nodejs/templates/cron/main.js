// Runs on a schedule: hob.toml says when. `hob runs list` shows each run, `hob logs` what it printed.
exports.main = (context, input) => {
  const { what = 'tidied up' } = input ?? {};
  const at = new Date().toISOString();
  console.log(what, 'at', at);
  return { done: what, at };
};
