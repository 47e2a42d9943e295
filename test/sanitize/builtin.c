/*
 * Puts the module into the stand-in host's own program, for tools that cannot look into a shared object: whatever
 * module the host is told to open, it gets the program itself. Linked with -Wl,--wrap=dlopen.
 */
#include <dlfcn.h>
#include <stddef.h>

void *__real_dlopen(const char *path, int flags);
void *__wrap_dlopen(const char *path, int flags);

void *__wrap_dlopen(const char *path, int flags)
{
	(void)path;
	return __real_dlopen(NULL, flags);
}
