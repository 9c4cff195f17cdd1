# The CPU service: one binary with built-in models on Debian slim.
#   docker build -t explaind . && docker run --rm -p 8080:8080 explaind
# The service writes no files: --read-only --cap-drop all works.

FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY compute compute
COPY config config
COPY models models
# Cargo.toml lists the benchmarks, so that the files must exist; they are not built.
COPY benches/*.rs benches/
# The registry and compiled dependencies are cached between builds.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked && cp target/release/explaind /explaind

FROM docker.io/library/debian:bookworm-slim
COPY --from=build --chmod=0755 /explaind /usr/local/bin/explaind
# A user id without an account or files.
USER 10001:10001
# Listens on all interfaces; a platform may set another port. Probes have a separate port,
# so that API clients cannot exhaust their connections.
ENV PORT=8080 \
    EXPLAIND_SERVER__PROBE_LISTEN=0.0.0.0:8081
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=15s --retries=3 \
    CMD ["explaind", "healthcheck"]
ENTRYPOINT ["explaind"]
