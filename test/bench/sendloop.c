/*
 * The floor: what sending costs and nothing else. One thread sends the frames of N streams, 20 ms of L16 at 8 kHz each,
 * to N WebSocket connections, either in windows (wake, send what is due, sleep) or each frame at its own time. The
 * frames are made beforehand. Runs until it is killed.
 *
 *   sendloop <port> <streams> <window in ms; 0: frame by frame>
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_NS = 20000000, PAYLOAD = 320, HEADER = 8 };

static void fail(const char *what)
{
	fprintf(stderr, "sendloop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_stream(int port, int index)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	char text[512];
	size_t have = 0;

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) fail("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	snprintf(text, sizeof(text),
			 "GET /?i=%d&r=8000 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
			 index);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) fail("handshake");
	while (!memmem(text, have, "\r\n\r\n", 4)) {
		ssize_t n = read(fd, text + have, sizeof(text) - have);

		if (n <= 0 || have + (size_t)n >= sizeof(text)) fail("handshake");
		have += (size_t)n;
	}
	if (strncmp(text, "HTTP/1.1 101", 12) != 0) {
		fprintf(stderr, "sendloop: the server did not upgrade: %.60s\n", text);
		exit(1);
	}
	return fd;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleep_until(int64_t at)
{
	struct timespec t = {.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
	}
}

int main(int argc, char **argv)
{
	/* final binary frame, masked with zeros, 16-bit length */
	uint8_t frame[HEADER + PAYLOAD] = {0x82, 0x80 | 126, PAYLOAD >> 8, PAYLOAD & 255};
	int port, n, *fd;
	int64_t window, start;

	if (argc != 4) {
		fprintf(stderr, "sendloop <port> <streams> <window in ms; 0: frame by frame>\n");
		return 2;
	}
	port = atoi(argv[1]);
	n = atoi(argv[2]);
	window = atoi(argv[3]) * (int64_t)1000000;
	if (n < 1 || !(fd = calloc((size_t)n, sizeof(*fd)))) return 2;
	for (int i = 0; i < n; i++) fd[i] = open_stream(port, i);

	start = now();
	/* streams are spread evenly over a frame's time; frame k of stream i is due at start + (k + i/n) * 20 ms */
	for (int64_t k = 0, i = 0;; i + 1 < n ? i++ : (k++, i = 0)) {
		int64_t due = start + k * FRAME_NS + FRAME_NS * i / n;

		if (window) due = start + ((due - start) / window + 1) * window; /* at the end of the window it falls into */
		if (now() < due) sleep_until(due);
		if (write(fd[i], frame, sizeof(frame)) != (ssize_t)sizeof(frame)) return 0; /* the server has gone */
	}
}
