# One file, two images. The default one trains and serves:
#     ./build_and_push.sh --build-only IMAGE
# The inference image only serves, and is much smaller:
#     ./build_and_push.sh --build-only IMAGE --target inference
#
# A CA bundle that pip should trust comes in as the secret `ca-bundle`, and into no layer.

ARG BASE_IMAGE=debian:trixie-slim


# What both images run on.
FROM ${BASE_IMAGE} AS runtime
RUN set -eux; \
    apt-get update; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        nginx \
        python3 \
    ; \
    rm -rf /var/cache/apt/* /var/cache/debconf/* /var/lib/apt/lists/* /var/log/*

# /opt/program comes first, so that `docker run IMAGE train` finds our train.
ENV PATH=/opt/program:/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MODEL_SERVER_USER=nobody
WORKDIR /opt/program

# `serve` listens where SAGEMAKER_BIND_TO_PORT says, as a pipeline of containers needs it.
# https://docs.aws.amazon.com/sagemaker/latest/dg/inference-pipeline-real-time.html
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true


# The Python packages of the inference image. pip stays behind, in an environment of its own.
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


# And what training needs on top.
FROM packages AS packages-train
COPY decision_trees/requirements/train.txt /tmp/
RUN --mount=type=secret,id=ca-bundle \
    set -eux; \
    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi; \
    /opt/installer/bin/pip --python /opt/venv/bin/python install \
        --no-cache-dir --only-binary :all: --require-hashes --requirement /tmp/train.txt; \
    # A quarter of pyarrow speaks to servers and object stores; here it reads files.
    rm /opt/venv/lib/python3*/site-packages/pyarrow/libarrow_flight.so.* \
        /opt/venv/lib/python3*/site-packages/pyarrow/libarrow_s3.so.*


FROM runtime AS inference
COPY --from=packages /opt/venv /opt/venv
COPY decision_trees /opt/program
# A clone may have lost its modes: under Windows, or with a strict umask.
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
    python3 -m compileall -q .; \
    python3 -c 'import algorithm, predictor, container.formats.parquet_columns, container.formats.recordio_frames'; \
    # What a program that a job brings may need: see container/script_mode.
    python3 -c 'import boto3, pip, setuptools, venv'; \
    nginx -v
# Local mode of version 3 of the SageMaker SDK gives no argument when it trains.
CMD ["train"]
