#!/bin/sh
# Everything that include/freeswitch_abi.h declares above its functions must be in abi_layout.c: types, fields, enum
# constants, macros. Usage: complete.sh <freeswitch_abi.h> <abi_layout.c>
set -eu
header=$1
list=$2
missing=0

# the header without comments, up to the functions
types=$(sed -e 's@/\*[^*]*\*/@@g' "$header" | awk '/\/\*/ { c = 1 } !c { print } /\*\// { c = 0 }' |
	sed -n '/AS_ABI_FUNCTIONS_ONLY/,/endif.*AS_ABI_FUNCTIONS_ONLY/p; /endif \/\* AS_ABI/q')
if [ "$(printf '%s\n' "$types" | wc -l)" -lt 100 ]; then
	echo "abi: cannot find the declarations in $header" >&2
	exit 1
fi

constants=$(printf '%s\n' "$types" | grep -oE '\b(SWITCH|SMBF|CF|CS|SAF)_[A-Z0-9_]+\b' | sort -u)
typedefs=$(printf '%s\n' "$types" | grep -oE '\bswitch_[a-z0-9_]+_t\b' | sort -u)
macros=$(printf '%s\n' "$types" | sed -n 's/^#define \(switch_[a-z0-9_]*\).*/\1/p' | sort -u)
# fields: the last word before ; or [ inside struct { }, the name in (*name)
fields=$(printf '%s\n' "$types" | awk '
	/^(typedef )?struct.*\{/ { inside = 1; next }
	/^\}/ { inside = 0 }
	inside && /;/ { sub(/[[;].*/, ""); n = split($0, w, /[ *\t]+/); print w[n] }' | sort -u)

for word in $constants $typedefs $macros $fields; do
	case $word in
	switch_xml_root_t) continue ;; # within is_switch_xml_root_t
	esac
	if ! grep -qwF -- "$word" "$list"; then
		echo "abi: $word is declared in $header and not compared in $list" >&2
		missing=1
	fi
done
exit $missing
