/*
 * The event socket: listening, connections, who wants which events, and sending. One thread per client reads, one
 * writes. What a client asks for is in esl_command.c.
 */
#include "esl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_QUEUE = 64 << 20 }; /* bytes of events for a client that does not read */

static pthread_mutex_t clients_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t clients_gone = PTHREAD_COND_INITIALIZER;
static client_t *clients;
static unsigned jobs;
static int listen_fd = -1;
static pthread_t accept_thread;
static _Atomic bool stopping;

void esl_job(int change)
{
	pthread_mutex_lock(&clients_mutex);
	jobs = (unsigned)((int)jobs + change);
	pthread_cond_broadcast(&clients_gone);
	pthread_mutex_unlock(&clients_mutex);
}

/* ---- sending ---- */

void esl_push(client_t *c, const char *head, const char *data, size_t len)
{
	size_t head_len = strlen(head);
	chunk_t *k = malloc(sizeof(*k) + head_len + len);

	STRICT(k, "out of memory");
	k->next = NULL;
	k->len = head_len + len;
	memcpy(k->data, head, head_len);
	if (len) memcpy(k->data + head_len, data, len);
	pthread_mutex_lock(&c->mutex);
	if (c->queued + k->len > MAX_QUEUE) { /* FreeSWITCH drops events of a client that does not read, too */
		free(k);
	} else {
		*c->tail = k;
		c->tail = &k->next;
		c->queued += k->len;
		pthread_cond_signal(&c->wake);
	}
	pthread_mutex_unlock(&c->mutex);
}

static void *writer_main(void *arg)
{
	client_t *c = arg;
	bool broken = false;

	pthread_mutex_lock(&c->mutex);
	for (;;) {
		chunk_t *k = c->queue;

		if (!k) {
			if (c->closing) break;
			pthread_cond_wait(&c->wake, &c->mutex);
			continue;
		}
		c->queue = k->next;
		if (!c->queue) c->tail = &c->queue;
		c->queued -= k->len;
		pthread_mutex_unlock(&c->mutex);
		for (size_t at = 0; at < k->len && !broken;) {
			ssize_t n = send(c->fd, k->data + at, k->len - at, MSG_NOSIGNAL);

			if (n < 0 && errno != EINTR) broken = true;
			if (n > 0) at += (size_t)n;
		}
		free(k);
		pthread_mutex_lock(&c->mutex);
	}
	pthread_mutex_unlock(&c->mutex);
	shutdown(c->fd, SHUT_RDWR);
	thread_leave();
	return NULL;
}

/* ---- subscriptions ---- */

static bool wants(client_t *c, const char *name, const char *subclass)
{
	bool yes = c->all;
	char key[200];

	snprintf(key, sizeof(key), *subclass ? "%s %s" : "%s", name, subclass);
	for (unsigned i = 0; i < c->name_count && !yes; i++) yes = strcasecmp(c->names[i], key) == 0;
	return yes;
}

bool esl_wanted(const char *name, const char *subclass)
{
	bool yes = false;

	pthread_mutex_lock(&clients_mutex);
	for (client_t *c = clients; c && !yes; c = c->next) {
		pthread_mutex_lock(&c->mutex);
		yes = wants(c, name, subclass);
		pthread_mutex_unlock(&c->mutex);
	}
	pthread_mutex_unlock(&clients_mutex);
	return yes;
}

void esl_deliver(const char *name, const char *subclass, const char *text, size_t len)
{
	char head[128];

	snprintf(head, sizeof(head), "Content-Length: %zu\nContent-Type: text/event-plain\n\n", len);
	pthread_mutex_lock(&clients_mutex);
	for (client_t *c = clients; c; c = c->next) {
		bool yes;

		pthread_mutex_lock(&c->mutex);
		yes = wants(c, name, subclass);
		pthread_mutex_unlock(&c->mutex);
		if (yes) esl_push(c, head, text, len);
	}
	pthread_mutex_unlock(&clients_mutex);
}

void esl_subscribe(client_t *c, char *list, bool on)
{
	bool custom = false;
	char *save = NULL;

	pthread_mutex_lock(&c->mutex);
	for (char *t = strtok_r(list, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
		char key[200];

		if (strcasecmp(t, "all") == 0) {
			c->all = on;
			continue;
		}
		snprintf(key, sizeof(key), custom ? "CUSTOM %s" : "%s", t);
		custom = custom || strcasecmp(t, "CUSTOM") == 0;
		for (unsigned i = 0; i < c->name_count; i++) {
			if (strcasecmp(c->names[i], key) != 0) continue;
			free(c->names[i]);
			c->names[i] = c->names[--c->name_count];
			break;
		}
		if (on && c->name_count < MAX_NAMES) c->names[c->name_count++] = strdup(key);
	}
	pthread_mutex_unlock(&c->mutex);
}

void esl_unsubscribe_all(client_t *c)
{
	pthread_mutex_lock(&c->mutex);
	c->all = false;
	while (c->name_count) free(c->names[--c->name_count]);
	pthread_mutex_unlock(&c->mutex);
}

/* ---- a client ---- */

static void *client_main(void *arg)
{
	client_t *c = arg, **at;
	FILE *in = fdopen(dup(c->fd), "r");
	pthread_t writer = thread_start("host_esl_out", false, writer_main, c);
	request_t r = {0};
	bool more = in != NULL;

	esl_push(c, "Content-Type: auth/request\n\n", NULL, 0);
	while (more && !atomic_load(&stopping)) {
		more = esl_read_request(in, &r) && esl_run_request(c, &r);
		esl_free_request(&r);
		memset(&r, 0, sizeof(r));
	}
	if (in) fclose(in);
	pthread_mutex_lock(&clients_mutex); /* no event finds it any more */
	for (at = &clients; *at != c; at = &(*at)->next) {
	}
	*at = c->next;
	pthread_mutex_unlock(&clients_mutex);
	pthread_mutex_lock(&c->mutex);
	c->closing = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->mutex);
	pthread_join(writer, NULL); /* it drains what is queued */
	esl_unsubscribe_all(c);
	close(c->fd);
	free(c);
	thread_leave();
	esl_job(-1);
	return NULL;
}

/* ---- listening ---- */

static void *accept_main(void *arg)
{
	(void)arg;
	while (!atomic_load(&stopping)) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC), one = 1;
		client_t *c;

		if (fd < 0) continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c = calloc(1, sizeof(*c));
		STRICT(c, "out of memory");
		c->fd = fd;
		c->tail = &c->queue;
		pthread_mutex_init(&c->mutex, NULL);
		pthread_cond_init(&c->wake, NULL);
		pthread_mutex_lock(&clients_mutex);
		c->next = clients;
		clients = c;
		jobs++;
		pthread_mutex_unlock(&clients_mutex);
		pthread_detach(thread_start("host_esl_in", false, client_main, c));
	}
	thread_leave();
	return NULL;
}

void esl_listen(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t len = sizeof(a);
	int one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(listen_fd, 64) != 0 ||
		getsockname(listen_fd, (struct sockaddr *)&a, &len) != 0) {
		fprintf(stderr, "fshost: cannot listen on 127.0.0.1:%d: %s\n", port, strerror(errno));
		exit(2);
	}
	accept_thread = thread_start("host_accept", false, accept_main, NULL);
	printf("fshost: listening on 127.0.0.1:%d\n", ntohs(a.sin_port));
	fflush(stdout);
}

void esl_stop(void)
{
	atomic_store(&stopping, true);
	shutdown(listen_fd, SHUT_RDWR);
	pthread_join(accept_thread, NULL);
	close(listen_fd);
	pthread_mutex_lock(&clients_mutex);
	for (client_t *c = clients; c; c = c->next) shutdown(c->fd, SHUT_RD); /* what is queued still goes out */
	while (jobs) pthread_cond_wait(&clients_gone, &clients_mutex);
	pthread_mutex_unlock(&clients_mutex);
}
