#!/usr/bin/env bash
# Installs one locked set of requirements and advet itself into .venv of this checkout.
# Called by the Makefile, which decides when: infra/dev/install.sh demo|dev|test|screening|base|gpu
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
extra=$1
requirements=requirements/$extra.txt
python=${PYTHON:-python3}

fail() {
    echo "install: $*" >&2
    exit 1
}

[[ -f $requirements ]] || fail "$requirements does not exist; one of: $(basename -s .txt requirements/*.txt | xargs)"

# These pip options redirect an install out of the environment that this script fills.
unset PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_VIRTUALENV PIP_CONSTRAINT PIP_DRY_RUN
# uv does not read pip's settings: a mirror or a certificate set for pip holds for uv too.
index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-}}}
if [[ -n $index ]]; then
    export UV_DEFAULT_INDEX=$index
fi
if [[ -z ${SSL_CERT_FILE:-} && -f ${PIP_CERT:-} ]]; then
    export SSL_CERT_FILE=$PIP_CERT
fi
# A virtual environment that happens to be active is not the one to fill.
unset VIRTUAL_ENV CONDA_PREFIX
export UV_NO_CONFIG=1 UV_PYTHON=$PWD/.venv/bin/python

if [[ ! -x .venv/bin/python ]]; then
    command -v "$python" >/dev/null || fail "$python is not there; name a Python 3.11 or newer: make PYTHON=python3.12 …"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
        || fail "$("$python" --version) is too old; name a Python 3.11 or newer: make PYTHON=python3.12 …"
    echo "install: creating .venv with $("$python" --version)" >&2
    "$python" -m venv .venv || {
        rm -rf .venv
        fail "$python -m venv failed; on Debian and Ubuntu: apt-get install python3-venv"
    }
fi

uv=$(command -v uv || true)
if [[ -z $uv ]]; then
    uv=.venv/bin/uv
    if [[ ! -x $uv ]]; then
        # an environment that uv made has no pip
        .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
    fi
fi

quiet=--quiet
[[ -t 2 ]] && quiet=
echo "install: $requirements into .venv" >&2
"$uv" pip install $quiet --require-hashes -r requirements/build.txt -r "$requirements"
"$uv" pip install $quiet --no-deps --no-build-isolation --editable .
touch ".venv/.installed-$extra"
