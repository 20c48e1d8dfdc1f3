# The same steps as .ci/run, one by one. `just` is a convenience: each line works alone.

# Format and lints.
lint:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings

# All tests.
test:
    cargo test --release --workspace

# Write docs/functions.md anew from the registry.
docs:
    JUMEAU_BLESS=1 cargo test --release --test functions_doc

# The contact plan of the sample project.
plan:
    cargo run --release -- run prospecting
