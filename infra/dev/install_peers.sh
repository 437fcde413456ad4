#!/usr/bin/env bash
# Installs requirements/bench.txt into .cache/bench: the frameworks that benchmarks/stream.py runs beside advet.
# Called by the Makefile after .venv is there, whose Python and uv it uses.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
uv=$(command -v uv || echo .venv/bin/uv)
index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-}}}
if [[ -n $index ]]; then
    export UV_DEFAULT_INDEX=$index
fi
if [[ -z ${SSL_CERT_FILE:-} && -f ${PIP_CERT:-} ]]; then
    export SSL_CERT_FILE=$PIP_CERT
fi
unset VIRTUAL_ENV CONDA_PREFIX
export UV_NO_CONFIG=1

echo "install: requirements/bench.txt into .cache/bench" >&2
.venv/bin/python -m venv --clear --without-pip .cache/bench
"$uv" pip install --quiet --require-hashes --python .cache/bench/bin/python -r requirements/bench.txt
touch .cache/bench/.installed
