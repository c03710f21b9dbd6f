"""Greets whom it is told to. Try: hob invoke NAME -d '{"name": "Ada"}'"""


def main(name="World", **_):
    print("greeting", name)
    return {"hello": name}
