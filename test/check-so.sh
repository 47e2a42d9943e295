#!/usr/bin/env bash
# Checks the shape of the built module: what FreeSWITCH sees of it, and what it asks of FreeSWITCH.
#   usage: test/check-so.sh build/mod_audio_stream.so
set -euo pipefail
so=$1
fail=0
complain() { echo "check-so: $*" >&2; fail=1; }

exported=$(nm -D --defined-only "$so" | awk '{print $3}')
[ "$exported" = mod_audio_stream_module_interface ] ||
	complain "exports [$(echo "$exported" | tr '\n' ' ')], expected mod_audio_stream_module_interface alone"

dynamic=$(readelf -dW "$so")
grep -q 'FLAGS_1.*NODELETE' <<<"$dynamic" || complain "is not NODELETE: an unload would remove the running Go runtime"
grep -q 'SYMBOLIC' <<<"$dynamic" || complain "is not linked with -Bsymbolic"
! grep -q 'TEXTREL' <<<"$dynamic" || complain "has text relocations"

# The Go runtime must not be among what dlopen runs (mod/go_runtime.c): the renamed section is there, and .init_array holds
# the shim's constructor and the compiler's own entry and no more.
sections=$(readelf -SW "$so")
grep -q ' as_go_init ' <<<"$sections" || complain "has no section as_go_init"
entries=$((0x$(awk '$0 ~ / \.init_array / {sub(/^ *\[ *[0-9]+\] */, ""); print $5}' <<<"$sections") / 8))
[ "$entries" -le 2 ] || complain ".init_array has $entries entries, so Go would start at dlopen"

# Undefined symbols come from libc, or are FreeSWITCH's own and in the slice that abi-check covers.
undefined=$(nm -D --undefined-only "$so" | awk '{print $2}' | grep -v '@' || true)
for symbol in $undefined; do
	case $symbol in
	switch_* | SWITCH_GLOBAL_dirs)
		grep -qE "[ *]$symbol\b" include/freeswitch_abi.h || complain "uses $symbol, which include/freeswitch_abi.h does not declare"
		;;
	_ITM_* | __gmon_start__ | __cxa_finalize) ;; # weak, from the compiler's startup files
	*) complain "undefined symbol $symbol is neither libc's nor FreeSWITCH's" ;;
	esac
done
library=$(ls "${FREESWITCH_PREFIX:-/usr/local/freeswitch}"/lib/libfreeswitch.so /usr/lib/*/libfreeswitch.so /usr/lib/libfreeswitch.so 2>/dev/null | head -1 || true)
if [ -n "$library" ]; then
	offered=$(nm -D --defined-only "$library" | awk '{print $3}')
	for symbol in $(grep -E '^(switch_|SWITCH_)' <<<"$undefined"); do
		grep -qx "$symbol" <<<"$offered" || complain "$library does not export $symbol"
	done
	echo "check-so: undefined symbols compared with $library"
else
	echo "check-so: no libfreeswitch.so here; undefined symbols compared with include/freeswitch_abi.h only"
fi

# The media callbacks must not reach Go: neither they, nor what of the shim they call, and so on, refer to an export or to
# what calls one on another thread.
mod=$(dirname "$so")/mod
objects=$(ls "$mod"/*.o) || complain "there are no objects in $mod; build first"
reached=" bug doorbell channel pacer "
for name in $reached; do [ -e "$mod/$name.o" ] || complain "$mod/$name.o is not there; build first"; done
grown=
while [ "$grown" != "$reached" ]; do
	grown=$reached
	wanted=$(for name in $reached; do nm --undefined-only "$mod/$name.o"; done | awk '$2 ~ /^as_/ {print $2}' | sort -u)
	for object in $objects; do
		name=$(basename "$object" .o)
		[[ $reached == *" $name "* ]] && continue
		if nm --defined-only "$object" | awk '{print $3}' | grep -qxF "$wanted"; then reached="$reached$name "; fi
	done
done
for name in $reached; do
	! nm --undefined-only "$mod/$name.o" | grep -qE ' as_(go|call)_' || complain "$mod/$name.o, which the media callbacks reach, calls into Go"
done
echo "check-so: the media callbacks reach$reached"
[ $fail -eq 0 ] && echo "check-so: $so is as it should be"
exit $fail
