#!/usr/bin/env bash
# Runs every static check, all of them even when one fails; fails if any did.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
sync_environment

export PATH="$PWD/.venv/bin:$PATH"
failed=()

check() {
  local name=$1 started=$SECONDS verdict=passed
  shift
  printf '\n== %s\n' "$name"
  if ! "$@"; then
    verdict=FAILED
    failed+=("$name")
  fi
  printf -- '-- %s %s in %d s\n' "$name" "$verdict" $((SECONDS - started))
}

# Bandit looks at each part of a statement in several lines, and warns that an exception
# made for one of them is not needed by the others.
find_weaknesses() {
  bandit --quiet --recursive --configfile pyproject.toml src scripts migrations \
    2> >(grep --invert-match "nosec encountered .* but no failed test" >&2)
}

check "ruff check" ruff check
check "ruff format" ruff format --check
check "bandit" find_weaknesses
check "detect-secrets" python scripts/check_secrets.py
check "mypy" mypy
check "pyright" pyright
check "import-linter" lint-imports --no-logo
check "schemas" python scripts/check_schemas.py
check "event types" python scripts/check_event_types.py

if ((${#failed[@]})); then
  printf '\nfailed:'
  printf ' [%s]' "${failed[@]}"
  printf '\n'
  exit 1
fi
printf '\nall checks passed\n'
