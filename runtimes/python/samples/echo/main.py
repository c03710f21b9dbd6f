"""Answers what it was given: keyword arguments as an object, a plain text as it is."""


def main(text=None, **kwargs):
    kwargs.pop("context", None)
    if text is not None and not kwargs:
        return text
    if text is not None:
        kwargs["text"] = text
    return kwargs
