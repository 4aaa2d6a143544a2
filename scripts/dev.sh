#!/usr/bin/env bash
# Runs Robosure from this checkout, setting up what is missing first.
#
#   ./scripts/dev.sh               the whole platform, as `robosure up`
#   ./scripts/dev.sh demo --json   any other command of `robosure`
#
# It runs in the checkout, wherever it is called from: .env and .robosure/ are there.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
sync_environment --no-dev

if [[ $# -eq 0 ]]; then
  exec .venv/bin/robosure up
fi
exec .venv/bin/robosure "$@"
