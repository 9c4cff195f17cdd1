# Everyday commands; `just` lists them.

_list:
    @just --list

# Start the service on the built-in model
serve *FLAGS:
    cargo run --release -- {{FLAGS}}

# Everything that CI checks
check:
    bash .ci/run

test *FILTER:
    cargo test {{FILTER}}

# Write openapi.yaml from the code
openapi:
    cargo run -- openapi > openapi.yaml.new
    mv openapi.yaml.new openapi.yaml
