# @nuclio.configure
#
# function.yaml:
#   spec:
#     description: Answers with everything it was told of the call, as JSON.
#     handler: echo:handler
#     runtime: python

def handler(context, event):
    body = event.body.decode("utf-8", "replace") if isinstance(event.body, bytes) else event.body
    return {"method": event.method, "path": event.path, "fields": event.fields, "headers": event.headers, "body": body}
