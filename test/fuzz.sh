#!/usr/bin/env bash
# Runs every fuzz test of the Go side for the given time, one after the other. Finds are kept by Go in testdata/fuzz.
set -euo pipefail
time=${1:-1m}
GO=${GO:-go}
for package in $("$GO" list ./goside/...); do
	for name in $("$GO" test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "== $package $name, $time"
		"$GO" test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 5s "$package"
	done
done
