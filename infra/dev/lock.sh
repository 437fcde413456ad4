#!/usr/bin/env bash
# Writes requirements/*.txt from pyproject.toml: universal (Python 3.11 and later), hashed, without an index address.
# Pins stay where they are as long as they satisfy pyproject.toml; `make lock ARGS=--upgrade` moves them.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
uv=.venv/bin/uv

compile() {
    local output=requirements/$1.txt
    shift
    echo "lock: $output" >&2
    UV_NO_CONFIG=1 "$uv" pip compile --quiet --universal --python-version 3.11 --no-emit-index-url \
        --generate-hashes --no-header --output-file "$output" "$@"
}

# dev is the widest set that is installed on a machine without a GPU; the narrower ones hold the same pins.
compile dev pyproject.toml --extra dev "$@"
# What make test needs beside it: torch and the model's libraries, which run on a CPU as well.
compile test pyproject.toml --extra dev --extra bench --constraint requirements/dev.txt "$@"
compile build requirements/build.in --constraint requirements/dev.txt "$@"
compile base pyproject.toml --constraint requirements/dev.txt
compile screening pyproject.toml --extra screening --extra tracing --constraint requirements/dev.txt
compile demo pyproject.toml --extra screening --extra demo --constraint requirements/dev.txt
compile bench requirements/bench.in "$@"
compile gpu pyproject.toml --extra screening --extra gpu --extra tracing --constraint requirements/test.txt
compile gpu-stack requirements/gpu-stack.in pyproject.toml --extra screening --extra demo --extra bench \
    --constraint requirements/dev.txt "$@"
