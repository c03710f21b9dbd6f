# Compiles a function. RUNTIME is the image of this folder's Dockerfile, BUILDER the image with the Go tool.
# Layers, the most lasting first: what every program needs, compiled; the modules that go.mod names;
# the program. An edit of the code repeats the last one only.
ARG RUNTIME
ARG BUILDER
FROM ${RUNTIME} AS runtime

FROM ${BUILDER} AS builder
ARG GOPROXY
ARG GOFLAGS
ARG GONOSUMDB
ARG GONOSUMCHECK
ARG GOPRIVATE
ARG GOSUMDB
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOCACHE=/var/cache/go-build GOPATH=/go
COPY --from=runtime /opt/hob/kit /kit/
RUN /kit/build warm /kit /tmp/warm

# The company's certificates, when there are any. They stay in this stage.
COPY ca.crt /hob-ca.crt
RUN if [ -s /hob-ca.crt ]; then cat /hob-ca.crt >>/etc/ssl/certs/ca-certificates.crt; fi

# ca.crt again, because one file at least must be there to be copied.
COPY ca.crt input/go.mo[d] input/go.su[m] input/vendo[r]/modules.tx[t] /modules/
RUN /kit/build fetch /modules /kit

COPY input /input/
RUN /kit/build programs /input /kit /deps

FROM ${RUNTIME}
COPY --from=builder /deps /opt/hob/deps/
