#!/usr/bin/env bash
# Runs every static check, all of them even when one fails; fails if any did. As many
# run at a time as there are cores; each tells what it found when it is over.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
sync_environment

export PATH="$PWD/.venv/bin:$PATH"
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT

check() {
  local name=$1
  shift
  while (($(jobs -pr | wc -l) >= cores)); do
    sleep 0.2
  done
  report "$name" "$@" &
}

# Says all in one piece, for others are running; a check that failed leaves its name.
report() {
  local name=$1 started=$SECONDS verdict=passed output=$said/${1// /-}
  shift
  if ! "$@" >"$output" 2>&1; then
    verdict=FAILED
    printf ' [%s]' "$name" >"$output.failed"
  fi
  printf '\n== %s\n%s\n-- %s %s in %d s\n' \
    "$name" "$(<"$output")" "$name" "$verdict" $((SECONDS - started))
}

# Bandit looks at each part of a statement in several lines, and warns that an exception
# made for one of them is not needed by the others.
find_weaknesses() {
  bandit --quiet --recursive --configfile pyproject.toml src scripts migrations \
    2> >(grep --invert-match "nosec encountered .* but no failed test" >&2)
}

# The long ones first, so that they do not end alone.
check "pyright" pyright
check "mypy" mypy
check "detect-secrets" python scripts/check_secrets.py
check "bandit" find_weaknesses
check "schemas" python scripts/check_schemas.py
check "event types" python scripts/check_event_types.py
check "import-linter" lint-imports --no-logo
check "ruff check" ruff check
check "ruff format" ruff format --check
wait

shopt -s nullglob
failed=("$said"/*.failed)
if ((${#failed[@]})); then
  printf '\nfailed:%s\n' "$(cat "${failed[@]}")"
  exit 1
fi
printf '\nall checks passed\n'
