"""Answers what the library of requirements.txt has decoded."""

import webencodings


def handle(event, context):
    text, _ = webencodings.decode(b"Ko\x9eu\x9a\xe8ek", "windows-1250")
    return {"body": text}
