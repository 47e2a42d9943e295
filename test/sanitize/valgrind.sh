#!/bin/sh
# The stand-in host, or another program (SAN_HOST), under memcheck, in its place; what memcheck says goes to SAN_LOGS, for
# memcheck.awk. Leaks are AddressSanitizer's (make sanitize-asan): valgrind's search for them fails on what Go tells it of its
# own heap. One thread runs at a time, and without fair-sched one that spins (Go's do) keeps the others from running for half a
# minute and more.
exec valgrind --tool=memcheck --fair-sched=yes --suppressions="$(dirname "$0")/valgrind.supp" --log-file="$SAN_LOGS/memcheck.%p.log" \
	--leak-check=no --num-callers=30 "$SAN_HOST" "$@"
