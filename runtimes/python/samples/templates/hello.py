# @nuclio.configure
#
# function.yaml:
#   spec:
#     description: Answers with a greeting, and says in its log who was greeted.
#     handler: hello:handler
#     runtime: python

def handler(context, event):
    name = event.fields.get("name", "world")
    context.logger.info_with("Greeted somebody", name=name)
    return "Hello, %s!" % name
