#!/bin/sh
# What a container runs, with its arguments. Prefect's Helm chart says `prefect server start`, also in its newer
# versions; here that must be the server whose schedules fire.
set -eu
if [ "${1-}" = prefect ] && [ "${2-}" = server ] && [ "${3-}" = start ]; then
    shift 3
    set -- python -m deployments.prefect_server "$@"
fi
exec "$@"
