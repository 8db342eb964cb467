#!/usr/bin/env bash
# Runs each fuzz target, or those that are named, for FUZZ_SECONDS (60). What was found to reach new code
# is kept in build/fuzz/corpus and goes on being used; an input that fails is in build/fuzz/found.
set -euo pipefail

seconds=${FUZZ_SECONDS:-60}
target=x86_64-unknown-linux-gnu
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(layers blob manifest uki node_toml imported)

# libFuzzer is told of the code's edges by LLVM's own pass, which stable rustc has; what needs a nightly
# one are the sanitizers, and there is no unsafe code here that they would look at.
coverage=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
)
RUSTFLAGS="${coverage[*]}" cargo build --quiet --release --manifest-path fuzz/Cargo.toml \
    --target "$target" --target-dir target/fuzz

for name in "${targets[@]}"; do
    corpus=build/fuzz/corpus/$name
    found=build/fuzz/found
    mkdir -p "$corpus" "$found"
    case $name in
    node_toml) seeds=docs/examples ;;
    imported) seeds=os-config/import/tests/files ;;
    *) seeds=fuzz/seeds/$name ;;
    esac
    echo "fuzzing $name for $seconds s"
    "target/fuzz/$target/release/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
        -max_len=65536 -artifact_prefix="$found/$name-" -print_final_stats=1 \
        "$corpus" "$seeds" 2>"build/fuzz/$name.log" || {
        tail -n 30 "build/fuzz/$name.log"
        echo "$name fails on the input in $found; mend it, and keep the input as a unit test" >&2
        exit 1
    }
    grep -E '^stat::(number_of_executed_units|peak_rss_mb)' "build/fuzz/$name.log"
done
