"""The smallest useful function: greets whom it is told to."""


def main(name="World", **kwargs):
    print("greeting", name)
    return "Hello, %s!" % name
