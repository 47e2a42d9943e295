/*
 * Other Go libraries in the process. Two Go runtimes in one process are not supported by Go's makers: both want the
 * process's signal handlers, and each takes the other's threads for C's. It works most of the time, so it is a warning
 * and not a refusal.
 */
#include <link.h>
#include <stdio.h>

#include "shim.h"

#define GO_NOTE_NAME "Go" /* with its NUL padded to 4 bytes, as ELF notes are */
#define GO_NOTE_TYPE 4    /* ELF_NOTE_GOBUILDID_TAG of Go's linker */

typedef struct search {
	const void *self; /* an address in this module */
	char *name;
	size_t size;
	unsigned found;
} search_t;

static bool is_go(const struct dl_phdr_info *info, const ElfW(Phdr) * segment)
{
	const char *at = (const char *)(info->dlpi_addr + segment->p_vaddr), *end = at + segment->p_memsz;

	while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const void *)at;
		size_t name = (note->n_namesz + 3u) & ~3u, text = (note->n_descsz + 3u) & ~3u;

		at += sizeof(*note);
		if (name > (size_t)(end - at) || text > (size_t)(end - at) - name) return false;
		if (note->n_type == GO_NOTE_TYPE && note->n_namesz == 4 && !memcmp(at, GO_NOTE_NAME "\0", 4)) return true;
		at += name + text;
	}
	return false;
}

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
	search_t *s = data;
	bool go = false, self = false;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_LOAD && (uintptr_t)s->self >= from && (uintptr_t)s->self < from + segment->p_memsz)
			self = true;
		if (segment->p_type == PT_NOTE && is_go(info, segment)) go = true;
	}
	if (go && !self) {
		const char *name = info->dlpi_name && *info->dlpi_name ? info->dlpi_name : "the main program";

		s->found++;
		snprintf(s->name, s->size, "%s", name);
	}
	return 0;
}

/* Counts the other Go libraries and gives the name of one. Any thread. */
unsigned as_go_neighbours(char *name, size_t size)
{
	search_t s = {.self = (const void *)&as_go_neighbours, .name = name, .size = size};

	dl_iterate_phdr(look, &s);
	return s.found;
}
