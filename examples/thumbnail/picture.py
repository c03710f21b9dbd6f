"""Prints a picture for trying: a PNG of colours, 640 x 400, with nothing but the standard library."""

import struct
import sys
import zlib

WIDTH, HEIGHT = 640, 400


def part(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def row(y):
    """No filter, then red from left to right, green from top to bottom, and a blue sun."""
    pixels = bytearray(1)
    for x in range(WIDTH):
        sun = (x - WIDTH // 2) ** 2 + (y - HEIGHT // 2) ** 2 < (HEIGHT // 3) ** 2
        pixels += bytes((x * 255 // WIDTH, y * 255 // HEIGHT, 255 if sun else 64))
    return bytes(pixels)


def picture():
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(map(row, range(HEIGHT))))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", rows) + part(b"IEND", b"")


if __name__ == "__main__":
    sys.stdout.buffer.write(picture())
