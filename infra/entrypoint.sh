#!/bin/sh
# On Lambda a command is a handler; anywhere else it is a command line.
set -eu
if [ -n "${AWS_LAMBDA_RUNTIME_API:-}" ]; then
    exec python -m awslambdaric "$@"
fi
exec "$@"
