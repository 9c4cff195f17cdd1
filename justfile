# Everyday commands; `just` lists them.

_list:
    @just --list

# Start the service with the built-in models
serve *FLAGS:
    cargo run --release -- {{FLAGS}}

# Run all checks of CI
check:
    bash .ci/run

test *FILTER:
    cargo test {{FILTER}}

# Generate openapi.yaml from the code
openapi:
    cargo run -- openapi > openapi.yaml.new
    mv openapi.yaml.new openapi.yaml
