#!/usr/bin/env bash
# Executes, compares and times on this machine's NVIDIA GPU all that is only compiled elsewhere; see docs/gpu.md.
# PYTHON chooses the interpreter: the one of .venv-dev or .venv where they are, else python3.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
if [[ -z "${PYTHON:-}" ]]; then
  PYTHON=python3
  for candidate in "$root"/.venv/bin/python "$root"/.venv-dev/bin/python; do
    if [[ -x "$candidate" ]]; then PYTHON="$candidate"; fi
  done
fi
mkdir -p "$root/.view"
ln -sfn .. "$root/.view/singleshot" # as `make` does: runs from the folder, installed or not
PYTHONPATH="$root/.view${PYTHONPATH:+:$PYTHONPATH}" exec "$PYTHON" -m singleshot.tools.verbs.verify_on_gpu "$@"
