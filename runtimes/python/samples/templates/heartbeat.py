# @nuclio.configure
#
# function.yaml:
#   spec:
#     description: Runs every minute, and tells over HTTP how often it has run since its worker began.
#     handler: heartbeat:handler
#     runtime: python
#     triggers:
#       beat:
#         kind: cron
#         attributes:
#           interval: 1m

def init_context(context):
    context.user_data.beats = 0


def handler(context, event):
    if event.trigger.kind == "cron":
        context.user_data.beats += 1
        context.logger.info_with("Beat", beats=context.user_data.beats)
    return {"beats": context.user_data.beats}
