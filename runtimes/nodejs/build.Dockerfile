# Installs what package.json names into /opt/hob/deps/node_modules and puts that on the runtime's image.
# `input/` holds package.json, the lock and .npmrc, where they exist; `ca.crt` is the host's CA bundle, or empty.
ARG RUNTIME
ARG BUILDER
FROM ${BUILDER} AS deps
# On a base of the user's, BUILDER is RUNTIME, whose user may not write here.
USER 0
# A registry of one's own; empty means the ordinary one.
ARG NPM_CONFIG_REGISTRY
WORKDIR /opt/hob/deps
COPY ca.crt /tmp/ca.crt
COPY input/ ./
# `npm ci` takes exactly what the lock says. Settings that are empty must not be there at all: npm takes them at their word.
# The last line makes the folder also where there is nothing to install, because the next stage copies it.
RUN if [ -s /tmp/ca.crt ]; then export NODE_EXTRA_CA_CERTS=/tmp/ca.crt NPM_CONFIG_CAFILE=/tmp/ca.crt; fi \
 && if [ -z "$NPM_CONFIG_REGISTRY" ]; then unset NPM_CONFIG_REGISTRY; fi \
 && export NPM_CONFIG_CACHE=/tmp/npm NPM_CONFIG_UPDATE_NOTIFIER=false NPM_CONFIG_FUND=false NPM_CONFIG_AUDIT=false \
 && if [ -e package-lock.json ] || [ -e npm-shrinkwrap.json ]; then npm ci --omit=dev; else npm install --omit=dev --no-package-lock; fi \
 && mkdir -p node_modules

FROM ${RUNTIME}
COPY --from=deps /opt/hob/deps/node_modules /opt/hob/deps/node_modules
