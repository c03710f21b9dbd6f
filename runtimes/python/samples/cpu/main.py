"""Work for the processor: counts the primes below `n`, so that limits and timings can be seen."""


def main(n=100000, **kwargs):
    sieve = bytearray([1]) * (n + 1)
    sieve[:2] = b"\0\0"
    for number in range(2, int(n ** 0.5) + 1):
        if sieve[number]:
            sieve[number * number::number] = bytes(len(range(number * number, n + 1, number)))
    return {"below": n, "primes": sum(sieve[:n])}
