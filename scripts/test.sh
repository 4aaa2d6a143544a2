#!/usr/bin/env bash
# Runs the tests, setting up what is missing first; arguments go to pytest.
#
#   ./scripts/test.sh                        everything, one worker per core
#   ./scripts/test.sh tests/unit -k money    a part
#   ./scripts/test.sh -n 0 ...               in one process, e.g. to follow output
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
sync_environment

exec .venv/bin/python -m pytest "$@"
