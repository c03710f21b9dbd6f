"""Prints the sample log: one day of a small shop's web server, the same on every run.

    python3 generate.py > access.log

Only `random()` of a seeded generator is used, whose sequence is the same in all versions
of Python. Addresses are from the ranges set aside for documentation.
"""

import random
from datetime import datetime, timedelta, timezone
from math import cos, log, pi

LINES = 5000
DAY = datetime(2025, 11, 20, tzinfo=timezone.utc)
SITE = "https://shop.example"

# weight, method, path, median seconds, typical bytes, statuses with their weights
PAGES = [
    (16, "GET", "/", 0.021, 14200, {200: 92, 304: 7, 500: 1}),
    (14, "GET", "/products", 0.048, 22800, {200: 97, 500: 1, 304: 2}),
    (18, "GET", "/products/{product}", 0.034, 17600, {200: 93, 304: 3, 404: 4}),
    (7, "GET", "/search?q={word}", 0.142, 11900, {200: 96, 503: 2, 499: 2}),
    (4, "GET", "/cart", 0.026, 6100, {200: 99, 500: 1}),
    (3, "POST", "/cart/items", 0.039, 420, {201: 96, 409: 3, 500: 1}),
    (1.2, "POST", "/checkout", 0.610, 980, {303: 88, 402: 7, 502: 3, 504: 2}),
    (1.4, "POST", "/login", 0.187, 310, {303: 79, 401: 18, 429: 3}),
    (2, "GET", "/account/orders", 0.073, 8300, {200: 88, 302: 12}),
    (6, "GET", "/api/stock?sku={product}", 0.009, 190, {200: 98, 404: 2}),
    (2, "GET", "/blog/{word}", 0.029, 19400, {200: 95, 301: 5}),
    (8, "GET", "/static/app.css", 0.001, 31200, {200: 55, 304: 45}),
    (8, "GET", "/static/app.js", 0.002, 128400, {200: 55, 304: 45}),
    (9, "GET", "/static/img/{product}.webp", 0.003, 46100, {200: 80, 304: 19, 206: 1}),
    (2, "GET", "/favicon.ico", 0.001, 4286, {200: 60, 304: 40}),
    (1, "HEAD", "/", 0.012, 0, {200: 100}),
    (0.5, "GET", "/reports/sales.csv", 2.900, 914000, {200: 90, 499: 6, 504: 4}),
]
PAGE_WEIGHTS = {number: page[0] for number, page in enumerate(PAGES)}
PROBES = ["/wp-login.php", "/.env", "/xmlrpc.php", "/.git/config", "/admin/config.php"]
REFERERS = ["/", "/products", "/cart", "/search?q=teapot"]
WORDS = ["teapot", "kettle", "copper+pan", "apron", "ladle", "caf%C3%A9", "oven-mitt"]
BROWSERS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    r"Shopper/2.1 (\"beta\"; Android 15)",
    "Mozilla/5.0 (compatible; ExampleBot/2.0; +https://bot.example/about)",
]
UNBODIED = {204, 304}

rng = random.Random()


def pick(items):
    return items[int(rng.random() * len(items))]


def weighted(weights):
    """A key of `weights`, as often as its value says."""
    point = rng.random() * sum(weights.values())
    for key, weight in weights.items():
        point -= weight
        if point < 0:
            break
    return key


def spread():
    """A factor around 1 with a long tail to the right, as request times have."""
    return 0.5 - 0.6 * log(1 - rng.random())


def times():
    """Moments of the day in order, fewest before dawn and most in the evening."""
    moments = []
    while len(moments) < LINES:
        second = rng.random() * 86400
        if rng.random() < 0.55 - 0.45 * cos((second / 3600 - 4) * pi / 12 - 0.4):
            moments.append(second)
    return [DAY + timedelta(seconds=int(second)) for second in sorted(moments)]


def client():
    if rng.random() < 0.08:
        return f"2001:db8:{int(rng.random() * 40):x}::{int(rng.random() * 12) + 1:x}"
    return f"{pick(['192.0.2', '198.51.100', '203.0.113'])}.{int(rng.random() ** 2 * 254) + 1}"


def line(moment, address, request, status, size, referer, agent, seconds):
    stamp = moment.strftime("%d/%b/%Y:%H:%M:%S +0000")
    return f'{address} - - [{stamp}] "{request}" {status} {size} "{referer}" "{agent}" {seconds:.3f}'


def visit(moment):
    method, path, seconds, size, statuses = PAGES[weighted(PAGE_WEIGHTS)][1:]
    status = weighted(statuses)
    path = path.format(product=1000 + int(rng.random() ** 2 * 60), word=pick(WORDS))
    size = 0 if status in UNBODIED or size == 0 else int(size * (0.8 + 0.4 * rng.random()))
    seconds = 30.0 + rng.random() / 50 if status == 504 else seconds * spread()
    if status >= 400:
        size = 162 + int(rng.random() * 400)
    referer = "-" if rng.random() < 0.35 else SITE + pick(REFERERS)
    request = f"{method} {path} HTTP/{pick(['1.1', '2.0'])}"
    return line(moment, client(), request, status, size, referer, pick(BROWSERS), seconds)


def probe(moment):
    """Somebody looking for other people's mistakes: a known bad path, or TLS on the plain port."""
    address = f"203.0.113.{200 + int(rng.random() * 4)}"
    if rng.random() < 0.2:
        return line(moment, address, r"\x16\x03\x01\x02\x00\x01\x00\x01", 400, 157, "-", "-", 0.0)
    return line(moment, address, f"GET {pick(PROBES)} HTTP/1.1", 404, 146, "-", "python-requests/2.32.5", 0.001)


def damage(lines):
    """What a full disk and a restart leave in a log: cut lines, two in one, a stray message."""
    lines[811] = lines[811][:47]
    lines[1702] = lines[1702][:20] + lines[1703]
    lines[2950] = "nginx: [warn] could not build optimal types_hash"
    lines[3333] = lines[3333][: lines[3333].index('" ') + 1]
    lines[3334] = "\ufffd\ufffd\ufffd\ufffd"
    lines[4471] = lines[4471].replace('] "', "] ", 1)
    return lines


def main():
    """The whole log as text."""
    rng.seed(7070)
    lines = [probe(moment) if rng.random() < 0.02 else visit(moment) for moment in times()]
    return "\n".join(damage(lines)) + "\n"


if __name__ == "__main__":
    print(main(), end="")
