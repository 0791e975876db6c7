#!/usr/bin/env bash
# Installs a wheel in a clean environment of each interpreter and runs it there, far from the checkout.
# tools/check_dist.sh WHEEL PYTHON...
set -euo pipefail
wheel="$(realpath "$1")"
version="$(basename "$wheel" | cut -d- -f2)"
unset PYTHONPATH # `make` has the checkout on it
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for python in "${@:2}"; do
  "$python" -m venv --clear environment
  environment/bin/python -m pip install --quiet --disable-pip-version-check --no-compile "$wheel"
  environment/bin/singleshot doctor >doctor || { cat doctor; exit 1; }
  environment/bin/rt-detect --video 'synthetic://?frames=10' --json found.jsonl --save found.mp4 >/dev/null
  said="$(environment/bin/singleshot --version), $(wc -l <found.jsonl) lines for 10 frames"
  [[ "$said" == "singleshot $version, 10 lines for 10 frames" ]] || {
    echo "$wheel: expected singleshot $version, 10 lines for 10 frames, got $said." >&2
    exit 1
  }
  echo "$("$python" --version): $said"
  rm found.*
done
