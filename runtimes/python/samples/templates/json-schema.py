# @nuclio.configure
#
# function.yaml:
#   spec:
#     description: Refuses orders that lack a field or have one of another type, with status 422 and the reasons.
#     handler: json-schema:handler
#     runtime: python

FIELDS = {"article": str, "amount": int, "price": (int, float)}


def handler(context, event):
    order = event.body
    if not isinstance(order, dict):
        return context.Response(body="Send an order as JSON, with Content-Type: application/json", status_code=415)
    wrong = ["%s is missing" % name for name in FIELDS if name not in order]
    wrong += ["%s is of another type" % name for name, kind in FIELDS.items()
              if name in order and not isinstance(order[name], kind)]
    if wrong:
        return context.Response(body={"wrong": wrong}, status_code=422)
    return {"total": order["amount"] * order["price"]}
