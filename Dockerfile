# One image for everything: the Prefect server, workers, the web app, and the commands. Build it in this folder:
# docker build --tag pushpull:0.1.0 .
FROM python:3.11-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY deployments/image.lock /
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --quiet --only-binary :all: --require-hashes --requirement /image.lock

FROM python:3.11-slim-bookworm
# The first process of a container reaps those that others leave behind, and hands signals on.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1001 --user-group --no-create-home --home-dir /var/lib/pushpull pushpull \
    && install --directory --owner pushpull --group pushpull /var/lib/pushpull /var/lib/pushpull/outbox
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . /app
# Prefect's own Helm chart starts what it starts through this file.
RUN install -D --mode 755 deployments/entrypoint.sh /opt/prefect/entrypoint.sh \
    && install --mode 755 deployments/pushpull /opt/venv/bin/pushpull \
    && python -m compileall -q /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PREFECT_HOME=/var/lib/pushpull/prefect \
    PREFECT_UI_STATIC_DIRECTORY=/var/lib/pushpull/ui \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    PUSHPULL_OUTBOX_DIR=/var/lib/pushpull/outbox \
    TMPDIR=/var/tmp \
    DO_NOT_TRACK=1
USER 1001:1001
ENTRYPOINT ["/usr/bin/tini", "-g", "--", "/opt/prefect/entrypoint.sh"]
CMD ["pushpull", "--help"]
