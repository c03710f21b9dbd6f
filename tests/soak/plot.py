"""Draws measurements over time as an SVG, one strip each. No library: it must be drawn wherever the soak runs."""

WIDTH, STRIP, LEFT, TOP = 860, 150, 70, 40
INK, LINE, GRID = "#444", "#2563a8", "#ddd"


def draw(samples, names, title):
    """`samples` have "minute" and a number for each of `names`."""
    height = TOP + STRIP * len(names) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        text(LEFT, 22, f"Soak: {title}", 15),
    ]
    last = max(sample["minute"] for sample in samples) or 1
    for at, name in enumerate(names):
        parts += strip(TOP + at * STRIP, name, [(s["minute"] / last, s[name]) for s in samples])
    for part in range(7):
        x = LEFT + (WIDTH - LEFT - 20) * part / 6
        parts.append(text(x, height - 10, f"{last * part / 6:.0f} min", anchor="middle"))
    return "\n".join(parts + ["</svg>", ""])


def strip(top, name, points):
    inner, most = STRIP - 40, nice(max(value for _, value in points))
    x = lambda share: LEFT + share * (WIDTH - LEFT - 20)
    y = lambda value: top + 20 + inner * (1 - value / most)
    parts = [text(LEFT, top + 12, name)]
    for part in (0, 0.5, 1):
        level = y(most * part)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{level:.1f}" y2="{level:.1f}" stroke="{GRID}"/>')
        parts.append(text(LEFT - 8, level + 4, f"{most * part:g}", anchor="end"))
    path = " ".join(f"{x(share):.1f},{y(value):.1f}" for share, value in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="1.5"/>')
    return parts


def nice(value):
    """The next round number above."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if value <= step * factor:
                return step * factor
        step *= 10


def text(x, y, words, size=12, anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" fill="{INK}">{words}</text>'
