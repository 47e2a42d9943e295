/*
 * The module's code is brought into memory when it is loaded.
 *
 * Code is read from the file when it is first run, page by page, and what nobody has run for a while may have to come
 * from the disk. The first to run the media callbacks is a media thread, in a call.
 */
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shim.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14; older ones refuse it, and read the code when it is run */
#endif

static int one_object(struct dl_phdr_info *object, size_t size, void *unused)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), own = (uintptr_t)&one_object;
	bool ours = false;

	(void)size;
	(void)unused;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &object->dlpi_phdr[i];

		ours = ours || (h->p_type == PT_LOAD && own - (object->dlpi_addr + h->p_vaddr) < h->p_memsz);
	}
	if (!ours) return 0;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &object->dlpi_phdr[i];
		uintptr_t from = (object->dlpi_addr + h->p_vaddr) & ~(page - 1);

		/* code and constants: what can be written becomes the process's own page by page, as it is */
		if (h->p_type == PT_LOAD && !(h->p_flags & PF_W))
			madvise((void *)from, object->dlpi_addr + h->p_vaddr + h->p_filesz - from, MADV_POPULATE_READ);
	}
	return 1;
}

void as_prefault(void)
{
	dl_iterate_phdr(one_object, NULL);
}
