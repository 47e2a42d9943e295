#!/usr/bin/env bash
# Installs what is missing of the Debian packages that the named purposes need: build, test, demo. As root through apt,
# otherwise it prints the one line to run.
set -euo pipefail

declare -A packages=(
	[build]="gcc libc6-dev binutils pkg-config make"
	[test]="libspeexdsp-dev clang-format git spin valgrind"
	[demo]="libspeexdsp-dev espeak-ng"
)

missing=()
for purpose in "$@"; do
	for package in ${packages[$purpose]}; do
		# shellcheck disable=SC2016
		if [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" != "install ok installed" ]; then
			missing+=("$package")
		fi
	done
done
if ! command -v "${GO:-go}" >/dev/null; then
	echo "Go 1.26 or later is needed and not found: https://go.dev/doc/install (or set GO=/path/to/go)" >&2
	exit 1
fi
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
	echo "These Debian packages, or your system's equivalents, are needed: ${missing[*]}" >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	echo "Some packages are missing. Run this and try again:" >&2
	echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
	exit 1
fi
echo "installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; }
# An old package list is the usual reason for a failure, so it is fetched and the installation tried once more.
if ! install; then
	apt-get update >"$log" 2>&1 || true
	install || { cat "$log" >&2; exit 1; }
fi
