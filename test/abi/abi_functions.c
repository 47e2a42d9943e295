/* The functions of include/freeswitch_abi.h behind the real headers: a type that differs is a compile error. */
#include <switch.h>

/* the real headers may have these as macros; the declarations below must reach the compiler */
#define AS_ABI_FUNCTIONS_ONLY
#include "freeswitch_abi.h"

int as_abi_functions_agree;
