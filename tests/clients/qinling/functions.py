"""The functions that the suites deploy: source texts, run inside the workers and never imported here."""

HELLO = """
def main(name='World', **kwargs):
    print('Hello, %s' % name)
"""

# The same with another text and under another name, so that its package and its entry both change.
GOODBYE = """
def leave(name='World', **kwargs):
    print('Goodbye, %s' % name)
"""

POSITIONAL = """
def main(name, **kwargs):
    print('Hello, %s' % name)
    return 'Hello, %s' % name
"""

RAISES = """
def main(**kwargs):
    raise ValueError('as asked')
"""

SLEEP = """
import time

def main(seconds=4, **kwargs):
    print('going to sleep', flush=True)
    time.sleep(seconds)
    return 'slept'
"""

FILES = """
def main(**kwargs):
    kept = [open('/tmp/%d' % n, 'w') for n in range(1024)]
    return len(kept)
"""

PROCESSES = """
import subprocess

def main(**kwargs):
    kept = [subprocess.Popen(['sleep', '300']) for _ in range(300)]
    return len(kept)
"""

MEMORY = """
def main(**kwargs):
    kept = [touched(20_000_000) for _ in range(4)]
    return len(kept)

def touched(size):
    block = bytearray(size)
    block[::4096] = b'x' * len(range(0, size, 4096))
    return block
"""

# Machin's formula in whole numbers: nothing but arithmetic.
PI = """
def arctan_of_one_over(x, unity):
    term = total = unity // x
    n, sign = 3, -1
    while term:
        term //= x * x
        total += sign * (term // n)
        n, sign = n + 2, -sign
    return total

def main(digits=50000, **kwargs):
    unity = 10 ** (digits + 10)
    pi = 4 * (4 * arctan_of_one_over(5, unity) - arctan_of_one_over(239, unity))
    return str(pi // 10 ** (digits + 10 - 14))
"""

FETCH = """
import urllib.request

def main(url, **kwargs):
    return urllib.request.urlopen(url, timeout=10).read().decode()
"""

NODE = """
exports.main = async (context, input) => {
    console.log('Hello, ' + input.name);
    return 'Hello, ' + input.name;
};
"""

# Programs of image functions: what comes after `python3 -c`.
IMAGE_HELLO = "import sys; print('Hello,', *sys.argv[1:])"
IMAGE_SLEEP = "import sys, time; print('going to sleep', flush=True); time.sleep(int(sys.argv[1]))"
