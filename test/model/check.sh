#!/usr/bin/env bash
# Verifies a model in all its states with spin, then breaks it in each way that its comment names, and wants spin to find
# every one of those.
#   usage: test/model/check.sh <folder to work in> model.pml…
set -euo pipefail
work=$1
shift
fail=0

# verify <folder> <model> <spin's options…>: prints spin's summary; the exit code says whether it ran at all
verify() {
	local dir=$1 model=$2
	shift 2
	rm -rf "$dir"
	mkdir -p "$dir"
	cp "$model" "$dir/model.pml"
	(
		cd "$dir"
		spin "$@" -a model.pml >spin.log && ${CC:-gcc} -O2 -w -DSAFETY -DVECTORSZ=2048 -DMEMLIM=4096 -o pan pan.c >cc.log 2>&1 || {
			cat spin.log; cat cc.log 2>/dev/null
			exit 1
		}
		./pan -m1000000 >pan.log 2>&1 || true
		cat pan.log
	)
}

states() { awk '/states, stored/ {print $1}' <<<"$1"; }

for model in "$@"; do
	name=$(basename "$model" .pml)
	out=$(verify "$work/$name/right" "$model") || { echo "model: $model does not compile: $out" >&2; exit 1; }
	# nothing but a search of all states that found nothing will do, in which every statement was run
	unrun=$(grep -E '^	.*, state [0-9]+,' <<<"$out" | grep -v '"-end-"' || true)
	if grep -q 'errors: 0' <<<"$out" && ! grep -qE 'max search depth too small|out of memory|aborting' <<<"$out" && [ -z "$unrun" ]; then
		printf '%-9s %-16s holds in all %s states\n' "$name" "as it is" "$(states "$out")"
	else
		fail=1
		printf '%-9s %-16s DOES NOT HOLD\n%s\n' "$name" "as it is" "$out"
		(cd "$work/$name/right" && spin -t -p -g model.pml 2>/dev/null | tail -60) || true
	fi
	breaks=$(awk '$2 == "BREAK" {print $3}' "$model")
	[ -n "$breaks" ] || { echo "model: $model names nothing to break" >&2; exit 1; }
	for break in $breaks; do
		out=$(verify "$work/$name/$break" "$model" "-D$break") || { echo "model: $model with $break does not compile: $out" >&2; exit 1; }
		if grep -q 'errors: [1-9]' <<<"$out"; then
			printf '%-9s %-16s found: %s\n' "$name" "$break" "$(sed -n 's/^pan:[0-9]*: //p' <<<"$out" | head -1)"
		else
			fail=1
			printf '%-9s %-16s NOT FOUND\n%s\n' "$name" "$break" "$out"
		fi
	done
done
exit $fail
