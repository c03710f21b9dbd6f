// Work for the processor: counts the primes below `n`, so that limits and timings can be seen.
exports.main = (context, input) => {
  const { n = 100000 } = input ?? {};
  const sieve = new Uint8Array(n + 1).fill(1);
  sieve.fill(0, 0, 2);
  for (let number = 2; number * number <= n; number += 1) {
    if (sieve[number] === 0) continue;
    for (let multiple = number * number; multiple <= n; multiple += number) sieve[multiple] = 0;
  }
  return { below: n, primes: sieve.subarray(0, n).reduce((sum, prime) => sum + prime, 0) };
};
