#!/usr/bin/env bash
# Installs requirements/NAME.txt into an environment of its own, .cache/NAME; with --advet, advet itself as well.
# Called by the Makefile after .venv is there, whose Python and uv it uses: infra/dev/install_environment.sh NAME [--advet]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
name=$1
requirements=(-r "requirements/$name.txt")
if [[ ${2:-} == --advet ]]; then
    requirements+=(-r requirements/build.txt)
fi
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

echo "install: requirements/$name.txt into .cache/$name" >&2
.venv/bin/python -m venv --clear --without-pip ".cache/$name"
install=("$uv" pip install --quiet --python ".cache/$name/bin/python")
"${install[@]}" --require-hashes "${requirements[@]}"
if [[ ${2:-} == --advet ]]; then
    "${install[@]}" --no-deps --no-build-isolation --editable .
fi
touch ".cache/$name/.installed"
