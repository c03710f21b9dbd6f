"""Uses a library from requirements.txt, which is installed once, and again only when that file changes."""

import idna


def main(name="kožušček.example", **_):
    return {"name": name, "ascii": idna.encode(name).decode()}
