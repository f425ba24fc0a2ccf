#!/bin/sh
# The program that the Lambda Web Adapter starts, and passes requests on to. Layers' packages and the
# runtime's boto3, which Python's own runtime finds by itself, are found by PYTHONPATH here.
# https://awslabs.github.io/aws-lambda-web-adapter/getting-started/zip-packages.html
set -eu
export PYTHONPATH="$LAMBDA_TASK_ROOT:/opt/python:${PYTHONPATH:-}:${LAMBDA_RUNTIME_DIR:-}"
exec python -m audioapi.server
