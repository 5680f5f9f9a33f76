# docker build -t rolloutgate .                     the binary and CA certificates, nothing else
# docker build -t rolloutgate:debug --target debug . with a shell, for CI systems that start one (GitLab)

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY analysis analysis
COPY cmd cmd
COPY gate gate
COPY internal internal
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -gcflags=all=-l -gcflags=std= -ldflags "-s -w -X main.buildVersion=${VERSION}" -o /rolloutgate ./cmd/rolloutgate

# BusyBox and CA certificates; the user is root, because GitLab's runner mounts a checkout that belongs to root.
FROM gcr.io/distroless/static-debian12:debug AS debug
ARG VERSION=dev
LABEL org.opencontainers.image.title="rolloutgate" \
      org.opencontainers.image.description="Apply, watch, judge, explain and undo a Kubernetes rollout" \
      org.opencontainers.image.source="https://github.com/rolloutgate/rolloutgate" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /rolloutgate /usr/local/bin/rolloutgate
ENV PATH=/usr/local/bin:/usr/bin:/bin:/busybox
ENTRYPOINT ["rolloutgate"]

# As release/image.go makes it without Docker.
FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=dev
LABEL org.opencontainers.image.title="rolloutgate" \
      org.opencontainers.image.description="Apply, watch, judge, explain and undo a Kubernetes rollout" \
      org.opencontainers.image.source="https://github.com/rolloutgate/rolloutgate" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /rolloutgate /usr/local/bin/rolloutgate
USER 65532:65532
# The report and rolloutgate.yaml are found in the working directory: mount the project there.
WORKDIR /workspace
ENTRYPOINT ["/usr/local/bin/rolloutgate"]
