#!/usr/bin/env bash
# The runtime's tests on arm64, as a Jetson or a Raspberry Pi computes, in an emulated root of Debian.
# tools/check_arm64.sh [TEST...]; needs root, debootstrap and qemu-user-static. PYTHON is what fetches the wheels.
# The root stays in build/arm64, about 1 GB, so that the next call is quicker; `make clean` removes it.
set -euo pipefail
cd "${BASH_SOURCE[0]%/*}/.."

[ "$(id -u)" = 0 ] || { echo 'check-arm64: expected root, who may change roots, got another user. sudo make check-arm64 is.' >&2; exit 2; }
for tool in debootstrap qemu-aarch64-static; do
  command -v "$tool" >/dev/null || {
    echo "check-arm64: expected $tool, got none. apt-get install debootstrap qemu-user-static brings it." >&2
    exit 2
  }
done
# What is mounted below is seen by this process alone and goes with it, however it ends: nobody removes /dev with the root.
[ "${CHECK_ARM64_APART-}" ] || CHECK_ARM64_APART=1 exec unshare --mount --propagation private "$BASH" "tools/${0##*/}" "$@"

binfmt=/proc/sys/fs/binfmt_misc
if [ "$(uname -m)" != aarch64 ]; then
  [ -e $binfmt/register ] || mount -t binfmt_misc binfmt_misc $binfmt
  [ -e $binfmt/qemu-aarch64 ] || cat /usr/lib/binfmt.d/qemu-aarch64.conf >$binfmt/register
fi

root="$PWD/build/arm64"
if [ ! -e "$root/.ready" ]; then
  rm -rf "$root"
  mkdir -p build
  echo 'Making a root of Debian for arm64 in build/arm64; minutes.'
  debootstrap --arch arm64 --variant minbase --include python3-venv,libgl1,libglib2.0-0,libxcb1 \
    bookworm "$root" >build/arm64.log || { tail -n 5 build/arm64.log >&2; exit 1; }
  touch "$root/.ready"
fi

# Wheels are fetched by this machine's pip, which is quicker and knows its own indexes.
"${PYTHON:-python3}" - >"$root/needed.txt" <<'PY'
import tomllib

print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")
print("pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6.100", sep="\n")
PY
echo 'Fetching wheels for arm64.'
"${PYTHON:-python3}" -m pip download --quiet --disable-pip-version-check --dest "$root/wheels" --only-binary :all: \
  --python-version 3.11 --platform manylinux_2_28_aarch64 --platform manylinux_2_17_aarch64 \
  --platform manylinux2014_aarch64 -r "$root/needed.txt"
rm -rf "$root/checkout"
mkdir -p "$root/checkout/.view"
git archive HEAD | tar -x -C "$root/checkout"
ln -s .. "$root/checkout/.view/singleshot"

mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
echo 'Installing them; minutes.'
chroot "$root" sh -ec 'python3 -m venv /venv
  /venv/bin/pip install --quiet --disable-pip-version-check --no-index --find-links /wheels -r /needed.txt'
tests=("$@")
((${#tests[@]})) || tests=(tests/test_light_import.py tests/runtime tests/tools/test_rt_*.py)
echo 'Running the tests.'
chroot "$root" sh -ec 'cd /checkout && PYTHONPATH=/checkout/.view exec /venv/bin/python -m pytest -q -n auto --dist loadscope \
  -p no:cacheprovider -m "not slow" "$@"' sh "${tests[@]}"
