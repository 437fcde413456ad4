#!/usr/bin/env bash
# Installs requirements/gpu-stack.txt into .cache/gpu-stack: the oldest torch and transformers that advet supports.
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

echo "install: requirements/gpu-stack.txt into .cache/gpu-stack" >&2
.venv/bin/python -m venv --clear --without-pip .cache/gpu-stack
"$uv" pip install --quiet --require-hashes --python .cache/gpu-stack/bin/python \
    -r requirements/build.txt -r requirements/gpu-stack.txt
"$uv" pip install --quiet --no-deps --no-build-isolation --python .cache/gpu-stack/bin/python --editable .
touch .cache/gpu-stack/.installed
