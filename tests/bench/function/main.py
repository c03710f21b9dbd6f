"""The function both sides run: Hob as a deployed function, the baseline inside its hand-written server."""


def main(name="world", spin=0, **_):
    while spin:  # `spin` rounds of pure CPU work; the bench finds out how many make one millisecond
        spin -= 1
    return {"greeting": "Hello, %s!" % name, "length": len(name)}
