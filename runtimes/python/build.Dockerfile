# The dependencies of a function, in /opt/hob/deps of an image that is the runtime's otherwise.
# The context: `input/` with requirements.txt and what goes along with it, and `ca.crt`, the host's CA bundle,
# empty when there is none to be trusted beside the usual ones.
# BUILDER has the same Python as RUNTIME, and `uv` or `pip`; it is RUNTIME itself where that is on a base of the user's.
ARG RUNTIME
ARG BUILDER

FROM ${BUILDER} AS build
# On a base of the user's, BUILDER is RUNTIME, whose user may not write here.
USER 0
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG PIP_TRUSTED_HOST
COPY ca.crt /tmp/hob/ca.crt
COPY input/ /tmp/hob/input/
WORKDIR /tmp/hob/input
# In a shell's `if`, because nothing but the file's size says whether there is a bundle.
# Compiled at the end and unchecked, because nothing in it changes any more; what does not compile, as the
# templates that some packages carry, is no error.
RUN set -eu; \
    if [ -s /tmp/hob/ca.crt ]; then \
      export PIP_CERT=/tmp/hob/ca.crt SSL_CERT_FILE=/tmp/hob/ca.crt REQUESTS_CA_BUNDLE=/tmp/hob/ca.crt; \
    fi; \
    mkdir -p /opt/hob/deps; \
    if command -v uv >/dev/null; then \
      if [ -n "${PIP_INDEX_URL:-}" ]; then export UV_INDEX_URL="$PIP_INDEX_URL"; fi; \
      if [ -n "${PIP_EXTRA_INDEX_URL:-}" ]; then export UV_EXTRA_INDEX_URL="$PIP_EXTRA_INDEX_URL"; fi; \
      if [ -n "${PIP_TRUSTED_HOST:-}" ]; then export UV_INSECURE_HOST="$PIP_TRUSTED_HOST"; fi; \
      uv pip install --no-cache --python "$(command -v python3)" --target /opt/hob/deps -r requirements.txt; \
    else \
      python3 -m pip install --no-cache-dir --no-compile --disable-pip-version-check --no-input \
        --root-user-action ignore --target /opt/hob/deps -r requirements.txt; \
    fi; \
    python3 -m compileall -q --invalidation-mode unchecked-hash /opt/hob/deps || true

FROM ${RUNTIME}
COPY --from=build /opt/hob/deps /opt/hob/deps
