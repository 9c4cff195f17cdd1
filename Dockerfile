# The CPU service: one binary with its built-in models on a small Debian.
#   docker build -t explaind . && docker run --rm -p 8080:8080 explaind
# Nothing is written at run time: --read-only --cap-drop all works.

FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY compute compute
COPY config config
COPY models models
# The manifest names them; they are not built.
COPY benches/*.rs benches/
# The registry and the compiled dependencies outlive one build.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked && cp target/release/explaind /explaind

FROM docker.io/library/debian:bookworm-slim
COPY --from=build --chmod=0755 /explaind /usr/local/bin/explaind
# No account has this number: the service owns nothing.
USER 10001:10001
# On all interfaces; a platform may choose another port. Probes have connections of their
# own: callers cannot keep them out.
ENV PORT=8080 \
    EXPLAIND_SERVER__PROBE_LISTEN=0.0.0.0:8081
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=15s --retries=3 \
    CMD ["explaind", "healthcheck"]
ENTRYPOINT ["explaind"]
