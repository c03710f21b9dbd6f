# @nuclio.configure
#
# function.yaml:
#   spec:
#     description: Answers with the text that is posted, its lines from the last to the first.
#     handler: reverse.sh:handler
#     runtime: shell

tac
