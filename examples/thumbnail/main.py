"""Makes a picture smaller: a picture in, a PNG out that fits into a square.

What formats it reads is Pillow's business. It keeps nothing.
"""

import base64
import io

from PIL import Image, UnidentifiedImageError

USUAL_SIZE = 128
LARGEST_SIZE = 1024


def handle(event, context):
    """The request's body is the picture; `?size=` is the square's side in pixels."""
    size = int((event["queryStringParameters"] or {}).get("size", USUAL_SIZE))
    if not 1 <= size <= LARGEST_SIZE:
        return {"statusCode": 400, "body": "size must be from 1 to %d\n" % LARGEST_SIZE}
    try:
        picture = Image.open(io.BytesIO(body_of(event)))
    except UnidentifiedImageError:
        return {"statusCode": 415, "body": "the body is not a picture\n"}
    print("from %d x %d, %s" % (*picture.size, picture.format))
    return {"headers": {"content-type": "image/png"}, "body": smaller(picture, size)}


def body_of(event):
    """Its bytes: what is not text comes as base64."""
    body = event["body"]
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def smaller(picture, size):
    picture.thumbnail((size, size))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
