# @nuclio.configure
#
# function.yaml:
#   spec:
#     description: Answers with the SHA-256 of what is posted; other sums of coreutils by the header X-Nuclio-Arguments.
#     handler: checksum.sh:handler
#     runtime: shell
#     runtimeAttributes:
#       arguments: sha256sum

case "$1" in
  md5sum | sha1sum | sha256sum | sha512sum) "$1" | cut -d ' ' -f 1 ;;
  *) echo "no such sum: $1" >&2; exit 2 ;;
esac
