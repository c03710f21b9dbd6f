"""What conventions share of answering: headers and content types. Knows no convention's rules."""

import json

from .failures import NotJson

TEXT = "text/plain; charset=utf-8"
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_STATUSES = range(200, 600)


def header_list(pairs):
    """Header names and values as the reply frame wants them. Raises NotJson for what HTTP cannot say."""
    for name, value in pairs:
        if not name or not _TOKEN.issuperset(name.encode("utf-8", "replace")):
            raise NotJson("the answer's header name %r is not one; use letters, digits and dashes" % name)
        if "\r" in value or "\n" in value or "\0" in value:
            raise NotJson("the answer's header `%s` has a line break in it; leave it out" % name)
    return _encode(pairs).encode()


def status(value):
    """A status as a number. Raises NotJson unless an answer may have it."""
    if value.__class__ is not int or value not in _STATUSES:
        raise NotJson("the answer's status is %r; it must be a whole number from 200 to 599" % (value,))
    return value


def sniff(body):
    """The content type that browsers and servers agree on for these first bytes.

    Source: the WHATWG's MIME Sniffing Standard, section 7, of which these are the types functions answer.
    """
    head = body[:512]
    text = head.lstrip(b"\t\n\x0c\r ")
    lower = text.lower()
    for tag in _HTML:
        if lower.startswith(tag) and (tag == b"<!--" or lower[len(tag):len(tag) + 1] in (b" ", b">")):
            return "text/html; charset=utf-8"
    if text.startswith(b"<?xml"):
        return "text/xml; charset=utf-8"
    for prefix, kind in _SIGNATURES:
        if head.startswith(prefix):
            return kind
    if head[:4] == b"RIFF" and head[8:14] == b"WEBPVP":
        return "image/webp"
    return "application/octet-stream" if head.translate(None, _TEXT_BYTES) else TEXT


_HTML = (b"<!doctype html", b"<html", b"<head", b"<script", b"<iframe", b"<h1", b"<div", b"<font", b"<table", b"<a",
         b"<style", b"<title", b"<b", b"<body", b"<br", b"<p", b"<!--")
_SIGNATURES = (
    (b"%PDF-", "application/pdf"), (b"%!PS-Adobe-", "application/postscript"),
    (b"\xef\xbb\xbf", TEXT), (b"\xfe\xff", "text/plain; charset=utf-16be"), (b"\xff\xfe", "text/plain; charset=utf-16le"),
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"), (b"BM", "image/bmp"), (b"\0\0\1\0", "image/x-icon"), (b"\0\0\2\0", "image/x-icon"),
    (b"\x1f\x8b\x08", "application/x-gzip"), (b"PK\x03\x04", "application/zip"), (b"OggS\0", "application/ogg"),
    (b"ID3", "audio/mpeg"), (b"\0asm", "application/wasm"),
)
_TEXT_BYTES = bytes(byte for byte in range(256) if byte >= 0x20 or byte in b"\t\n\x0c\r\x1b")
