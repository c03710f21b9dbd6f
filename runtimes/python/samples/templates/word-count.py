# @nuclio.configure
#
# function.yaml:
#   spec:
#     description: Counts the words of a text that is posted, the most frequent first.
#     handler: word-count:handler
#     runtime: python

import collections
import re


def handler(context, event):
    text = event.body.decode("utf-8", "replace") if isinstance(event.body, bytes) else str(event.body)
    counted = collections.Counter(re.findall(r"\w+", text.lower()))
    return dict(counted.most_common(int(event.fields.get("most", 10))))
