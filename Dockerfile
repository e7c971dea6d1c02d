# syntax=docker/dockerfile:1
# Three images from one lock:
#   docker build --target rayfed --build-arg VARIANT=cpu -t rayfed:cpu .
#   docker build --target rayfed --build-arg VARIANT=gpu -t rayfed:gpu .
#   docker build --target mlflow -t rayfed:mlflow .
# The versions are those of requirements.lock. The GPU image takes PyTorch as it is locked; the CPU image takes the same
# version from PyTorch's own index, where it comes without gigabytes of CUDA libraries (and with hashes of its own).
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS builder
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /src
COPY requirements-uv.lock ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements-uv.lock
COPY requirements.lock ./

FROM builder AS dependencies-gpu
RUN cp requirements.lock constraints.txt

FROM builder AS dependencies-cpu
# Torch's entries keep their versions and lose the hashes, which are those of the CUDA builds.
RUN awk '/^[^ ]/ { bare = /^(torch|torchvision)==/; if (bare) sub(/ *\\$/, "") } !bare || /^[^ ]/' \
    requirements.lock > constraints.txt
ENV UV_TORCH_BACKEND=cpu

ARG VARIANT=cpu
# hadolint ignore=DL3006
FROM dependencies-${VARIANT} AS dependencies
WORKDIR /src
COPY pyproject.toml ./
RUN uv venv /opt/rayfed && uv pip install --python /opt/rayfed -c constraints.txt -r pyproject.toml

FROM builder AS wheel
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY conf conf
COPY rayfed rayfed
RUN uv build --wheel --build-constraints requirements.lock --out-dir /wheel

FROM builder AS mlflow-dependencies
# All is in the lock but the driver of MLflow's database.
RUN uv venv /opt/mlflow && \
    uv pip install --python /opt/mlflow -c requirements.lock mlflow boto3 psycopg2-binary==2.9.11

FROM python:${PYTHON}-slim-bookworm AS runtime
RUN groupadd --gid 1000 rayfed && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /tmp rayfed
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp

FROM runtime AS mlflow
COPY --from=mlflow-dependencies /opt/mlflow /opt/mlflow
ENV PATH=/opt/mlflow/bin:$PATH
USER 1000:1000
ENTRYPOINT ["python", "-m", "mlflow"]

FROM runtime AS rayfed
COPY --from=dependencies /opt/rayfed /opt/rayfed
# A layer of its own, so that new code does not send PyTorch around again.
RUN --mount=from=wheel,source=/wheel,target=/wheel \
    --mount=from=builder,source=/usr/local/bin/uv,target=/usr/local/bin/uv \
    uv pip install --no-cache --no-deps --compile-bytecode --python /opt/rayfed /wheel/*.whl && \
    install -d -o 1000 -g 1000 /var/lib/rayfed
ENV PATH=/opt/rayfed/bin:$PATH
WORKDIR /var/lib/rayfed
USER 1000:1000
ENTRYPOINT ["python", "-m", "rayfed"]
