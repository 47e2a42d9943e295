#!/usr/bin/env bash
# Runs the tests step by step, keeps each step's output in build/test/log, and ends with what passed, failed and was
# skipped, and why. `make test` calls it. Steps can be named: `make test STEPS='lint unit'`.
set -uo pipefail

BUILD=${BUILD:-build}
GO=${GO:-go}
MAKE=${MAKE:-make}
logs=$BUILD/test/log
results=$BUILD/test/results.tsv
mkdir -p "$logs"
: >"$results"

declare -A what=(
	[lint]="vet, golangci-lint, clang-format"
	[build]="the module, the stand-in host, the agent"
	[shape]="the .so: exports, NODELETE, relocations, undefined symbols"
	[abi]="include/freeswitch_abi.h against the real headers"
	[unit]="Go unit tests with the race detector"
	[allocs]="what must not allocate, without the race detector, which does"
	[guard]="benchmarks' allocations and instruction counts against test/bench/baseline.txt"
	[model]="the rings' and the doorbell's algorithms in spin, with and without each fence"
	[faults]="a panic in every goroutine and every export"
	[sanitize]="media callbacks under ASan, UBSan and TSan, some calls under ASan and UBSan"
	[ring]="the rings in C, plain and under ThreadSanitizer"
	[host]="the stand-in host itself"
	[e2e]="calls end to end, on the stand-in and on FreeSWITCH if there is one"
	[torture]="hostile servers, backpressure and churn on the stand-in"
)
all="build lint shape abi unit allocs ring model guard host faults sanitize e2e torture"
steps=${*:-$all}

gotest() { # results go to the table test by test
	"$GO" test -json "$@" 2>&1 | "$BUILD/test/summary" -results "$results"
}

step_lint() { "$MAKE" --no-print-directory lint; }
step_build() { "$MAKE" --no-print-directory all agent "$BUILD/test/fshost"; }
step_shape() { "$MAKE" --no-print-directory check-so; }
step_abi() { "$MAKE" --no-print-directory abi-check; }
step_unit() { gotest -race -timeout 10m ./goside/... ./bridge/... ./test/torture; }
step_allocs() { gotest -count=1 -run 'Alloc' ./goside/...; }
step_model() { "$MAKE" --no-print-directory model; }
step_faults() { "$MAKE" --no-print-directory faults; }
step_sanitize() { "$MAKE" --no-print-directory sanitize-short; }
step_ring() { "$MAKE" --no-print-directory test-ring; }
step_guard() { "$MAKE" --no-print-directory bench-guard; }
step_host() { "$MAKE" --no-print-directory test-host; }
step_e2e() { gotest -count=1 -timeout 40m ./test/e2e/...; }
step_torture() { "$MAKE" --no-print-directory torture; }

mkdir -p "$BUILD/test"
"$GO" build -o "$BUILD/test/summary" ./test/summary || exit 1

begin=$SECONDS
for step in $steps; do
	if [ -z "${what[$step]:-}" ]; then
		echo "no such step: $step (there are: $all)" >&2
		exit 2
	fi
	printf '\n== %s: %s\n' "$step" "${what[$step]}"
	start=$SECONDS
	failed_before=$(grep -c '^fail	' "$results")
	log=$logs/$step.log
	# what is long goes to the log; the tests' own lines, and the end of a failure, are shown
	case $step in
	unit | allocs | e2e) "step_$step" 2>&1 | tee "$log" ;;
	*) "step_$step" >"$log" 2>&1 ;;
	esac
	status=${PIPESTATUS[0]}
	case $step in
	unit | allocs | e2e) # a failure that no test owns up to is one all the same
		if [ "$status" -ne 0 ] && [ "$(grep -c '^fail	' "$results")" -eq "$failed_before" ]; then
			printf 'fail\t%s\tsee %s\n' "$step" "$log" >>"$results"
		fi
		;;
	*)
		if [ "$status" -ne 0 ]; then
			printf 'fail\t%s\tsee %s\n' "$step" "$log" >>"$results"
			tail -n 60 "$log"
		elif reason=$(grep -m1 -oE '(^|: )skipped: .*' "$log"); then
			printf 'skip\t%s\t%s\n' "$step" "${reason#*skipped: }" >>"$results"
		else
			printf 'pass\t%s\t\n' "$step" >>"$results"
		fi
		;;
	esac
	if [ "$status" -eq 0 ]; then echo "-- $step: done in $((SECONDS - start)) s"; else echo "-- $step: FAILED after $((SECONDS - start)) s"; fi
	if [ "$step" = build ] && [ "$status" -ne 0 ]; then break; fi
done

count() { grep -c "^$1	" "$results" || true; }
printf '\n== summary, %d s\n' $((SECONDS - begin))
grep '^fail' "$results" | awk -F'\t' '{printf "FAILED   %s %s\n", $2, $3}'
# the same reason many times is said once
grep '^skip' "$results" | awk -F'\t' '{n[$3]++; first[$3] = $2} END {for (r in n) printf "skipped  %d: %s (%s)\n", n[r], r, n[r] == 1 ? first[r] : "the last is " first[r]}'
echo "$(count pass) passed, $(count fail) failed, $(count skip) skipped"
[ "$(count fail)" -eq 0 ] && [ "$(count pass)" -gt 0 ]
