/*
 * FreeSWITCH's own headers where they are installed, the slice of them in include/freeswitch_abi.h otherwise.
 * Every file of the shim gets FreeSWITCH through this one.
 */
#ifndef AS_FS_H
#define AS_FS_H

#ifdef AS_HAVE_FREESWITCH
#include <switch.h>
#else
#include "freeswitch_abi.h"
#endif

#endif /* AS_FS_H */
