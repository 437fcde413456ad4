# syntax=docker/dockerfile:1
# The consumer: locked requirements, no weights, no build tools. EXTRA is a file of requirements/: screening is the CPU
# judge; gpu adds the other (docker build --build-arg EXTRA=gpu), with CUDA from its wheels: the host brings the driver.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS builder
ARG EXTRA=screening
WORKDIR /build
ENV UV_LINK_MODE=copy UV_NO_CACHE=1
COPY requirements/build.txt requirements/${EXTRA}.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt
RUN python -m venv --without-pip /opt/advet \
    && uv pip install --python /opt/advet/bin/python --compile-bytecode --require-hashes -r requirements/${EXTRA}.txt
COPY pyproject.toml README.md LICENSE ./
COPY consumer consumer
COPY schemas schemas
RUN hatchling build --target wheel --directory dist \
    && uv pip install --python /opt/advet/bin/python --compile-bytecode --no-deps dist/*.whl

FROM ${PYTHON}
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin advet
COPY --from=builder /opt/advet /opt/advet
# Probes and metrics must be reachable from outside of the container; the default is loopback.
ENV ADVET_HTTP__HOST=0.0.0.0 ADVET_HTTP__PORT=9464 ADVET_LAG__HOST=0.0.0.0 ADVET_LAG__PORT=9466
# Libraries keep caches in HOME: the root is meant to be read-only, with a small /tmp.
ENV PATH=/opt/advet/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /opt/advet
EXPOSE 9464 9466
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['ADVET_HTTP__PORT'] + '/livez', timeout=2)"]
ENTRYPOINT ["tini", "--", "advet"]
CMD ["run"]
