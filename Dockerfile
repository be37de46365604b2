# Two images. The default image trains and serves:
#     ./build_and_push.sh --build-only IMAGE
# The inference image only serves, and is much smaller:
#     ./build_and_push.sh --build-only IMAGE --target inference
#
# The secret `ca-bundle` is a CA bundle for pip; it is not stored in a layer.

ARG BASE_IMAGE=debian:trixie-slim


# Base of both images.
FROM ${BASE_IMAGE} AS runtime
RUN set -eux; \
    apt-get update; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        nginx \
        python3 \
    ; \
    rm -rf /var/cache/apt/* /var/cache/debconf/* /var/lib/apt/lists/* /var/log/*; \
    # No program needs to gain privileges.
    find / -xdev -type f -perm /6000 -exec chmod a-s {} +

# /opt/program is first, so that `docker run IMAGE train` finds its train.
ENV PATH=/opt/program:/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MODEL_SERVER_USER=nobody
WORKDIR /opt/program

# `serve` listens on SAGEMAKER_BIND_TO_PORT, which inference pipelines require.
# https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipeline-real-time.html
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true


# Python packages of the inference image. pip has its own environment, which is not copied.
FROM runtime AS packages
RUN set -eux; \
    apt-get update; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        python3-venv \
    ; \
    rm -rf /var/lib/apt/lists/*; \
    python3 -m venv /opt/installer; \
    python3 -m venv --without-pip /opt/venv
COPY decision_trees/requirements/inference.txt /tmp/
RUN --mount=type=secret,id=ca-bundle \
    set -eux; \
    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi; \
    /opt/installer/bin/pip --python /opt/venv/bin/python install \
        --no-cache-dir --only-binary :all: --require-hashes --requirement /tmp/inference.txt


# Additional packages for training.
FROM packages AS packages-train
COPY decision_trees/requirements/train.txt /tmp/
RUN --mount=type=secret,id=ca-bundle \
    set -eux; \
    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi; \
    /opt/installer/bin/pip --python /opt/venv/bin/python install \
        --no-cache-dir --only-binary :all: --require-hashes --requirement /tmp/train.txt; \
    # A quarter of pyarrow consists of clients for servers and object stores, which are not used.
    rm /opt/venv/lib/python3*/site-packages/pyarrow/libarrow_flight.so.* \
        /opt/venv/lib/python3*/site-packages/pyarrow/libarrow_s3.so.*


FROM runtime AS inference
COPY --from=packages /opt/venv /opt/venv
COPY decision_trees /opt/program
# File modes may be missing in a clone on Windows or with a strict umask.
RUN set -eux; \
    rm train; \
    chmod -R a+rX .; \
    chmod a+x selftest serve; \
    python3 -m compileall -q .; \
    python3 -c 'import predictor'; \
    nginx -v
CMD ["serve"]


FROM runtime AS full
COPY --from=packages-train /opt/venv /opt/venv
COPY decision_trees /opt/program
RUN set -eux; \
    chmod -R a+rX .; \
    chmod a+x selftest serve train; \
    # Its last line names a mistake in algorithm.py.
    ./train --schema >/dev/null; \
    python3 -m compileall -q .; \
    python3 -c 'import predictor, container.formats.parquet_columns, container.formats.recordio_frames'; \
    # Packages that script mode needs.
    python3 -c 'import boto3, pip, setuptools, venv'; \
    nginx -v
# Local mode of the SageMaker SDK, version 3, passes no argument for training.
CMD ["train"]
