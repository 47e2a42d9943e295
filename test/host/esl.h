/* What the two files of the event socket share. */
#ifndef FSHOST_ESL_H
#define FSHOST_ESL_H

#include "host.h"

enum { MAX_NAMES = 128 };

typedef struct chunk {
	struct chunk *next;
	size_t len;
	char data[];
} chunk_t;

typedef struct client {
	struct client *next;
	int fd;
	bool authed;
	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t wake;
	bool closing, all, custom_all;
	char *names[MAX_NAMES]; /* event names, and subclasses with "CUSTOM " in front */
	unsigned name_count;
	chunk_t *queue, **tail;
	size_t queued;
} client_t;

typedef struct request {
	char *line;
	char *headers[64][2];
	unsigned header_count;
	char *body;
} request_t;

/* Queues head and data for the client's writer thread; both are copied. */
void esl_push(client_t *c, const char *head, const char *data, size_t len);
void esl_subscribe(client_t *c, char *list, bool on);
void esl_unsubscribe_all(client_t *c);
void esl_job(int change); /* +1, -1: threads that esl_stop waits for */

bool esl_read_request(FILE *in, request_t *r);
bool esl_run_request(client_t *c, request_t *r); /* false: the connection shall end */
void esl_free_request(request_t *r);

#endif
