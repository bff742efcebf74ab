/* Presses the portal's login button for many clients: each line of standard input is a client's address and the
 * token of its form, each gets a connection of its own from that address, as many at a time as CONCURRENT says.
 *   login-storm ADDRESS PORT CONCURRENT < CLIENTS
 * Prints how many were answered with 303, how many otherwise, and the nanoseconds that all of it took. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 256
#define CONCURRENT_MAX 1024

struct client {
  int fd;
  size_t got;
  char token[LINE_BYTES];
  char head[64];
};

static struct sockaddr_in portal;
static char *origin;
static long count303, count_other;
static int epoll_fd;

static int begin(struct client *client) {
  char line[LINE_BYTES], address[64];
  if (!fgets(line, sizeof line, stdin)) return 0;
  if (sscanf(line, "%63s %255s", address, client->token) != 2) return 0;
  struct sockaddr_in own = {.sin_family = AF_INET};
  inet_pton(AF_INET, address, &own.sin_addr);
  client->got = 0;
  client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (client->fd < 0 || bind(client->fd, (struct sockaddr *)&own, sizeof own) < 0) {
    perror("login-storm: bind");
    exit(1);
  }
  if (connect(client->fd, (struct sockaddr *)&portal, sizeof portal) < 0 && errno != EINPROGRESS) {
    perror("login-storm: connect");
    exit(1);
  }
  struct epoll_event event = {.events = EPOLLOUT, .data.ptr = client};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event);
  return 1;
}

static void press(struct client *client) {
  char request[1024], body[LINE_BYTES + 8];
  int length = snprintf(body, sizeof body, "token=%s", client->token);
  int total = snprintf(request, sizeof request,
                       "POST /login HTTP/1.1\r\nHost: %s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
                       "Accept: text/html\r\nAccept-Language: en\r\n"
                       "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s",
                       origin, length, body);
  if (send(client->fd, request, (size_t)total, MSG_NOSIGNAL) != total) {
    perror("login-storm: send");
    exit(1);
  }
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, client->fd, &event);
}

/* Whether the answer has ended. */
static int take(struct client *client) {
  char bytes[8192];
  ssize_t got = recv(client->fd, bytes, sizeof bytes, 0);
  if (got < 0 && errno == EAGAIN) return 0;
  if (got > 0) {
    size_t room = sizeof client->head - 1 - client->got;
    size_t part = (size_t)got < room ? (size_t)got : room;
    memcpy(client->head + client->got, bytes, part);
    client->got += part;
    return 0;
  }
  client->head[client->got] = 0;
  if (strncmp(client->head, "HTTP/1.1 303", 12) == 0) count303++;
  else count_other++;
  close(client->fd);
  return 1;
}

int main(int count, char **words) {
  if (count != 4) return 2;
  portal = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(words[2]))};
  inet_pton(AF_INET, words[1], &portal.sin_addr);
  char host[64];
  snprintf(host, sizeof host, "%s:%s", words[1], words[2]);
  origin = host;
  int concurrent = atoi(words[3]), open_count = 0;
  static struct client clients[CONCURRENT_MAX];
  epoll_fd = epoll_create1(0);
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (int index = 0; index < concurrent && index < CONCURRENT_MAX; index++) open_count += begin(&clients[index]);
  while (open_count > 0) {
    struct epoll_event events[64];
    int ready = epoll_wait(epoll_fd, events, 64, 30000);
    if (ready <= 0) break;
    for (int index = 0; index < ready; index++) {
      struct client *client = events[index].data.ptr;
      if (events[index].events & EPOLLOUT) press(client);
      else if (take(client)) open_count += begin(client) - 1;
    }
  }
  clock_gettime(CLOCK_MONOTONIC, &to);
  long long took = (to.tv_sec - from.tv_sec) * 1000000000LL + (to.tv_nsec - from.tv_nsec);
  printf("%ld %ld %lld\n", count303, count_other, took);
  return 0;
}
