#!/bin/sh
# The stand-in host, or another program (SAN_HOST), under memcheck, in its place: a fault makes its exit status 99. Leaks are
# AddressSanitizer's (make sanitize-asan): valgrind's search for them fails on what Go tells it of its own heap.
exec valgrind --tool=memcheck --error-exitcode=99 --suppressions="$(dirname "$0")/valgrind.supp" \
	--leak-check=no --num-callers=30 "$SAN_HOST" "$@"
