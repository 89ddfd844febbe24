# One line each; `just --list` shows them.

# a cluster, every scenario, the report
run *ARGS:
    cargo run --release -- run --setup {{ARGS}}

# every test, those on a real box included
test *ARGS:
    cargo test --release --workspace {{ARGS}}

# what CI refuses before it runs anything
lint:
    bash ci/format && cargo clippy --release --workspace --all-targets -- -D warnings && cargo deny check bans licenses sources

# the JSON schema and the reference of the scenario file, from the types that read it
schema:
    cargo run --release -- schema --write golden/schema/scenario.v2.json && cargo run --release -- schema --reference --write docs/scenario.md

# figures: the box's start, a step against a bare request, our own code
bench *ARGS:
    cargo bench --package benches {{ARGS}} && cargo run --release --package benches --bin figures -- start && cargo run --release --package benches --bin figures -- step

# what CI does
ci:
    bash .ci/run
