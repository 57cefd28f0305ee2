/* The kernel's floor: answers every request with a canned frame.
 *
 *     echo SOCKET
 *
 * It copies the correlation id, which our load generator writes first and always
 * in the same length, and looks at nothing else.  It lives for LIFETIME seconds at
 * most, whatever becomes of whoever started it.  Linux only.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEADER = 7, ROOM = 65536, EVENTS = 256, ID = 9, MAX_FD = 4096, LIFETIME = 3600 };

#define BEFORE_ID "{\"correlation_id\":\""
#define ANSWER                                                                 \
  BEFORE_ID "c00000000\",\"success\":true,\"payload\":"                        \
            "{\"symbol\":\"ACME\",\"quantity\":8,\"note\":"                    \
            "\"good till cancelled or until the end of this trading quarter\"}," \
            "\"message_type\":\"Confirmation\"}"

static unsigned char in[MAX_FD][ROOM], out[2 * ROOM];
static size_t in_size[MAX_FD];

static int die(const char *what) {
  perror(what);
  exit(1);
}

static size_t answer(unsigned char *place, const unsigned char *request) {
  static const size_t length = sizeof ANSWER - 1;
  unsigned char header[HEADER] = {0, 0, 0, (unsigned char)length, 2, 2, 1};
  memcpy(place, header, HEADER);
  memcpy(place + HEADER, ANSWER, length);
  size_t id = HEADER + sizeof BEFORE_ID - 1;
  memcpy(place + id, request + id, ID);
  return HEADER + length;
}

static void hang_up(int fd) {
  in_size[fd] = 0;
  close(fd);
}

static void serve(int fd) {
  unsigned char *start = in[fd];
  ssize_t got = recv(fd, start + in_size[fd], ROOM - in_size[fd], 0);
  if (got <= 0) {
    hang_up(fd);
    return;
  }
  unsigned char *end = start + in_size[fd] + got;
  size_t out_size = 0;
  while (end - start >= HEADER) {
    size_t size = HEADER + ((size_t)start[2] << 8 | (size_t)start[3]);
    if ((size_t)(end - start) < size)
      break;
    out_size += answer(out + out_size, start);
    start += size;
  }
  in_size[fd] = (size_t)(end - start);
  memmove(in[fd], start, in_size[fd]);
  /* What is in flight fits into the kernel's buffer: only a peer that has gone
     takes less. */
  if (out_size && send(fd, out, out_size, MSG_NOSIGNAL) != (ssize_t)out_size)
    hang_up(fd);
}

int main(int count, char **words) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (count != 2 || strlen(words[1]) >= sizeof address.sun_path)
    return 2;
  strcpy(address.sun_path, words[1]);
  int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(door, (struct sockaddr *)&address, sizeof address) || listen(door, 1024))
    die("listen");
  int poller = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = door};
  epoll_ctl(poller, EPOLL_CTL_ADD, door, &event);
  alarm(LIFETIME);
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd != door) {
        serve(fd);
        continue;
      }
      event.data.fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);
      if (event.data.fd < 0 || event.data.fd >= MAX_FD)
        die("accept");
      epoll_ctl(poller, EPOLL_CTL_ADD, event.data.fd, &event);
    }
  }
}
