/* Asks a server of our framing as much as it can bear, and tells how it went.
 *
 *     load SOCKET PID CONNECTIONS DEPTH WARM-UP SECONDS CALLS
 *
 * It opens CONNECTIONS to the Unix socket, keeps DEPTH requests in flight on
 * each of them, and stops SECONDS (or CALLS) after the WARM-UP, which lasts
 * until each connection has had an answer, at least.  What it prints is one JSON
 * object without the warm-up: times in microseconds (the longest may be that of a
 * request still unanswered), processor time in seconds, its own and that of the
 * process PID.
 *
 * It runs on the processors that the server is allowed to run on.
 *
 * Every answer has to be a RESPONSE frame that says success and carries the
 * correlation id of a request in flight; everything else counts as an error, and
 * the first one is written to the standard error.
 * A server that says nothing for STALL_MS has failed, and so has one that leaves a
 * connection without an answer for GREETING_MS.  Linux only.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
  HEADER = 7,
  VERSION = 2,
  REQUEST = 1,
  RESPONSE = 2,
  JSON = 1,
  MAX_DEPTH = 128,
  ROOM = 65536,
  STALL_MS = 4000,
  GREETING_MS = 15000,
  EVENTS = 256,
  ID_DIGITS = 8,
};

/* The payload is 100 bytes. */
#define BEFORE_ID "{\"correlation_id\":\"c"
#define AFTER_ID                                                               \
  "\",\"target\":\"desk\",\"message_type\":\"Order\",\"payload\":"             \
  "{\"symbol\":\"ACME\",\"quantity\":7,"                                       \
  "\"note\":\"good till cancelled or until the end of this trading quarter\"}" \
  ",\"expects_reply\":true,\"response_timeout_ms\":30000}"

struct connection {
  int fd;
  int is_stuck;             /* the kernel took a part: wait until it takes more */
  int is_served;            /* it has had an answer */
  size_t in_size, out_size; /* bytes of an unfinished frame; bytes not sent */
  uint64_t sent_at[MAX_DEPTH];
  uint32_t turn[MAX_DEPTH]; /* of each slot: how often it was used */
  unsigned char in[ROOM], out[ROOM];
};

static int poller, depth, unserved;
static long calls, errors, room_for_samples;
static uint32_t *samples; /* ns; the warm-up leaves none */
static int is_warm;
static unsigned char frame[HEADER + sizeof BEFORE_ID + sizeof AFTER_ID + ID_DIGITS];
static size_t frame_size;

static void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static uint64_t now(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t))
    return 0;
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double own_cpu(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* --- requests */

static void prepare(void) {
  frame_size = HEADER + (size_t)sprintf((char *)frame + HEADER, "%s%0*d%s",
                                        BEFORE_ID, ID_DIGITS, 0, AFTER_ID);
  uint32_t length = (uint32_t)frame_size - HEADER;
  unsigned char header[HEADER] = {
      (unsigned char)(length >> 24), (unsigned char)(length >> 16),
      (unsigned char)(length >> 8),  (unsigned char)length,
      VERSION, REQUEST, JSON};
  memcpy(frame, header, HEADER);
}

/* The id is the slot in two hexadecimal digits, and its turn in six. */
static void ask(struct connection *c, int slot) {
  static const char digits[] = "0123456789abcdef";
  unsigned char *place = c->out + c->out_size;
  uint32_t id = (uint32_t)slot << 24 | (++c->turn[slot] & 0xffffff);
  memcpy(place, frame, frame_size);
  place += HEADER + sizeof BEFORE_ID - 1;
  for (int i = ID_DIGITS - 1; i >= 0; i--, id >>= 4)
    place[i] = (unsigned char)digits[id & 15];
  c->out_size += frame_size;
}

static void watch(struct connection *c, int is_stuck) {
  struct epoll_event event = {.events = EPOLLIN | (is_stuck ? EPOLLOUT : 0),
                              .data.ptr = c};
  if (is_stuck != c->is_stuck && epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event))
    die("epoll_ctl: %s", strerror(errno));
  c->is_stuck = is_stuck;
}

static void flush(struct connection *c) {
  if (!c->out_size)
    return;
  ssize_t sent = send(c->fd, c->out, c->out_size, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN)
    die("send: %s", strerror(errno));
  if (sent > 0) {
    c->out_size -= (size_t)sent;
    memmove(c->out, c->out + sent, c->out_size);
  }
  watch(c, c->out_size > 0);
}

/* --- answers */

static int holds(const unsigned char *body, size_t size, const char *words) {
  return memmem(body, size, words, strlen(words)) != NULL;
}

/* The slot that the answer is for, or -1. */
static int slot_of(struct connection *c, const unsigned char *body, size_t size) {
  static const char key[] = "\"correlation_id\":\"c";
  const unsigned char *place = memmem(body, size, key, sizeof key - 1);
  if (!place || (size_t)(body + size - place) < sizeof key - 1 + ID_DIGITS)
    return -1;
  char text[ID_DIGITS + 1] = {0};
  memcpy(text, place + sizeof key - 1, ID_DIGITS);
  unsigned long id = strtoul(text, NULL, 16);
  int slot = (int)(id >> 24);
  return slot < depth && (id & 0xffffff) == (c->turn[slot] & 0xffffff) ? slot : -1;
}

static void complain(const unsigned char *body, size_t size) {
  if (!errors++)
    fprintf(stderr, "%.*s\n", (int)size, (const char *)body);
}

static void hear(struct connection *c, const unsigned char *whole, size_t size,
                 uint64_t at) {
  const unsigned char *body = whole + HEADER;
  int slot = slot_of(c, body, size - HEADER);
  if (slot < 0)
    die("an answer to nothing: %.*s", (int)(size - HEADER), (const char *)body);
  if (whole[4] != VERSION || whole[5] != RESPONSE || whole[6] != JSON ||
      !holds(body, size - HEADER, "\"success\":true") ||
      !holds(body, size - HEADER, "\"quantity\":8"))
    complain(body, size - HEADER);
  if (is_warm && calls < room_for_samples)
    samples[calls] = (uint32_t)(at - c->sent_at[slot]);
  calls++;
  unserved -= !c->is_served;
  c->is_served = 1;
  ask(c, slot);
  c->sent_at[slot] = 0; /* said by take(): all of them are sent at once */
}

static void take(struct connection *c) {
  ssize_t got = recv(c->fd, c->in + c->in_size, ROOM - c->in_size, 0);
  if (got < 0 && errno == EAGAIN)
    return;
  if (got <= 0)
    die("the server has hung up: %s", got ? strerror(errno) : "end of file");
  uint64_t at = now(CLOCK_MONOTONIC);
  size_t end = c->in_size + (size_t)got, start = 0;
  while (end - start >= HEADER) {
    const unsigned char *p = c->in + start;
    size_t size = HEADER + ((size_t)p[0] << 24 | (size_t)p[1] << 16 |
                            (size_t)p[2] << 8 | (size_t)p[3]);
    if (size > ROOM)
      die("an answer of %zu bytes", size);
    if (end - start < size)
      break;
    hear(c, p, size, at);
    start += size;
  }
  c->in_size = end - start;
  memmove(c->in, c->in + start, c->in_size);
  at = now(CLOCK_MONOTONIC);
  for (int slot = 0; slot < depth; slot++)
    if (!c->sent_at[slot])
      c->sent_at[slot] = at;
  flush(c);
}

/* --- the whole of it */

static void go_where(pid_t pid) {
  cpu_set_t processors;
  if (sched_getaffinity(pid, sizeof processors, &processors) ||
      sched_setaffinity(0, sizeof processors, &processors))
    die("sched_setaffinity: %s", strerror(errno));
}

static struct connection *open_connection(const char *path) {
  struct connection *c = calloc(1, sizeof *c);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (!c || strlen(path) >= sizeof address.sun_path)
    die("no memory, or too long a path");
  strcpy(address.sun_path, path);
  c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct timeval patience = {.tv_sec = STALL_MS / 1000};
  setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address))
    die("connect: %s", strerror(errno));
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event))
    die("epoll_ctl: %s", strerror(errno));
  return c;
}

static void start(struct connection *c) {
  for (int slot = 0; slot < depth; slot++) {
    c->sent_at[slot] = now(CLOCK_MONOTONIC);
    ask(c, slot);
  }
  flush(c);
}

static void run_until(uint64_t end, long most) {
  struct epoll_event events[EVENTS];
  while (now(CLOCK_MONOTONIC) < end && calls < most) {
    int ready = epoll_wait(poller, events, EVENTS, STALL_MS);
    if (ready <= 0)
      die("the server is silent");
    for (int i = 0; i < ready; i++)
      if (events[i].events & EPOLLOUT)
        flush(events[i].data.ptr);
      else
        take(events[i].data.ptr);
  }
}

static int by_size(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return (a > b) - (a < b);
}

static uint64_t oldest_of(struct connection **all, int connections, uint64_t at) {
  for (int i = 0; i < connections; i++)
    for (int slot = 0; slot < depth; slot++)
      if (all[i]->sent_at[slot] < at)
        at = all[i]->sent_at[slot];
  return at;
}

static double quantile(long count, double part) {
  return count ? (double)samples[(long)((double)(count - 1) * part)] / 1e3 : 0;
}

int main(int count, char **words) {
  if (count != 8)
    die("usage: load SOCKET PID CONNECTIONS DEPTH WARM-UP SECONDS CALLS");
  int connections = atoi(words[3]);
  depth = atoi(words[4]);
  room_for_samples = atol(words[7]);
  clockid_t peer;
  if (depth < 1 || depth > MAX_DEPTH || connections < 1 || room_for_samples < 1)
    die("it cannot be that deep, that many or that few");
  if (clock_getcpuclockid(atoi(words[2]), &peer))
    die("no process %s", words[2]);
  go_where(atoi(words[2]));
  samples = malloc((size_t)room_for_samples * sizeof *samples);
  poller = epoll_create1(EPOLL_CLOEXEC);
  prepare();

  unserved = connections;
  struct connection **all = calloc((size_t)connections, sizeof *all);
  for (int i = 0; i < connections; i++)
    all[i] = open_connection(words[1]);
  for (int i = 0; i < connections; i++)
    start(all[i]);
  run_until(now(CLOCK_MONOTONIC) + (uint64_t)(atof(words[5]) * 1e9), INT64_MAX);
  uint64_t patience = now(CLOCK_MONOTONIC) + GREETING_MS * (uint64_t)1000000;
  while (unserved) {
    if (now(CLOCK_MONOTONIC) > patience)
      die("%d of the connections have had no answer", unserved);
    run_until(now(CLOCK_MONOTONIC) + 1000000, INT64_MAX);
  }

  is_warm = 1;
  calls = 0;
  uint64_t began = now(CLOCK_MONOTONIC), peer_cpu = now(peer);
  double cpu = own_cpu();
  run_until(began + (uint64_t)(atof(words[6]) * 1e9), room_for_samples);
  uint64_t ended = now(CLOCK_MONOTONIC);
  double seconds = (double)(ended - began) / 1e9;
  cpu = own_cpu() - cpu;
  peer_cpu = now(peer) - peer_cpu;

  long heard = calls < room_for_samples ? calls : room_for_samples;
  qsort(samples, (size_t)heard, sizeof *samples, by_size);
  double longest = quantile(heard, 1);
  double oldest = (double)(ended - oldest_of(all, connections, ended)) / 1e3;
  printf("{\"calls\":%ld,\"errors\":%ld,\"seconds\":%.6f,"
         "\"calls_per_second\":%.1f,\"p50_us\":%.2f,\"p99_us\":%.2f,"
         "\"max_us\":%.2f,\"load_cpu\":%.6f,\"server_cpu\":%.6f}\n",
         calls, errors, seconds, (double)calls / seconds, quantile(heard, 0.5),
         quantile(heard, 0.99), longest > oldest ? longest : oldest, cpu, (double)peer_cpu / 1e9);
  return 0;
}
