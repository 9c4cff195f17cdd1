# The CPU service: one binary with the built-in models on distroless.
#   docker build -t explaind . && docker run --rm -p 127.0.0.1:8080:8080 explaind
#   docker buildx build --platform linux/amd64,linux/arm64 -t explaind .
# The service writes no files except the hub's cache: --read-only --cap-drop all works.
# For releases, pin both base images by digest: docker build $(scripts/image-digests Dockerfile) .
ARG RUST=docker.io/library/rust:1.95-bookworm
ARG RUNTIME=gcr.io/distroless/base-nossl-debian12:nonroot

FROM ${RUST} AS build
WORKDIR /src
# The dependencies, in a layer that only changes with Cargo.lock. Cargo.toml lists the benchmarks, so
# that their files must exist; they are not built.
COPY Cargo.toml Cargo.lock ./
COPY compute/Cargo.toml compute/
COPY benches/*.rs benches/
RUN mkdir -p src compute/src \
    && echo 'fn main() {}' >src/main.rs && touch src/lib.rs compute/src/lib.rs \
    && cargo build --release --locked
COPY compute compute
COPY config config
COPY models models
COPY src src
COPY web web
# Cargo compares times: the files may be older than the empty ones that were compiled above. Packed
# relocations save 1.5 MB; the runtime image has glibc 2.36, the first that reads them.
RUN find src compute/src -name '*.rs' -exec touch {} + \
    && cargo rustc --release --locked --bin explaind -- -C link-arg=-Wl,-z,pack-relative-relocs \
    && cp target/release/explaind /explaind \
    && mkdir /cache
# Symbols take 10 MB; panics name their place in the source without them. The runtime image has the
# other libraries.
RUN strip /explaind \
    && install -D -t /runtime/usr/local/bin /explaind \
    && library=$(readlink -f "$(gcc -print-file-name=libgcc_s.so.1)") \
    && install -D -m 0644 -t "/runtime$(dirname "$library")" "$library"

FROM ${RUNTIME}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="explaind" \
      org.opencontainers.image.description="Explains what a BERT-family model did with a text" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /runtime/ /
# A user id without an account or files.
USER 10001:10001
# Models from the hub are kept in this volume.
COPY --from=build --chown=10001:10001 /cache /cache
VOLUME /cache
# Listens on all IPv4 interfaces; a platform may set another port. EXPLAIND_SERVER__LISTEN=[::]:8080
# adds IPv6. Probes have a separate port, so that API clients cannot exhaust their connections.
ENV PORT=8080 \
    EXPLAIND_SERVER__PROBE_LISTEN=0.0.0.0:8081 \
    HF_HOME=/cache
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
# Asks the address in the configuration.
HEALTHCHECK --interval=10s --timeout=4s --start-period=15s --retries=3 \
    CMD ["/usr/local/bin/explaind", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/explaind"]
