/*
 * UDP requests and responses, one at a time, and how long each takes: `udp-ping serve PORT` answers,
 * `udp-ping ADDRESS PORT BYTES WARM-MS MS` asks. cc -O2 udp-ping.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES_MAX 4000000
#define LOST_AFTER_US 100000

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void refuse(const char *what) {
  fprintf(stderr, "Cannot %s: %s\n", what, strerror(errno));
  exit(1);
}

static void serve(int port) {
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  struct sockaddr_in6 own = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) < 0) refuse("bind the port");
  puts("ready");
  fflush(stdout);
  char buffer[65536];
  for (;;) {
    struct sockaddr_in6 from;
    socklen_t length = sizeof from;
    ssize_t count = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &length);
    if (count >= 0) sendto(fd, buffer, (size_t)count, 0, (struct sockaddr *)&from, length);
  }
}

static int by_value(const void *left, const void *right) {
  uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
  return a < b ? -1 : a > b;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "serve") == 0) serve(atoi(argv[2]));
  if (argc != 6) {
    fprintf(stderr, "usage: %s serve PORT | ADDRESS PORT BYTES WARM-MS MS\n", argv[0]);
    return 2;
  }
  size_t size = (size_t)atoi(argv[3]);
  uint64_t warm = (uint64_t)atoi(argv[4]) * 1000000u, window = (uint64_t)atoi(argv[5]) * 1000000u;
  struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST }, *target;
  if (size < 8 || size > 65000 || getaddrinfo(argv[1], argv[2], &hints, &target) != 0) refuse("take these arguments");
  int fd = socket(target->ai_family, SOCK_DGRAM, 0);
  if (fd < 0 || connect(fd, target->ai_addr, target->ai_addrlen) < 0) refuse("connect");
  struct timeval lost_after = { 0, LOST_AFTER_US };
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &lost_after, sizeof lost_after);
  char *buffer = calloc(1, 65536);
  uint32_t *samples = malloc(SAMPLES_MAX * sizeof *samples);
  if (!buffer || !samples) refuse("get memory");
  uint64_t start = now(), number = 0, lost = 0, count = 0, sum = 0;
  for (;;) {
    uint64_t sent = now();
    if (sent - start >= warm + window || count == SAMPLES_MAX) break;
    memcpy(buffer, &(uint64_t){ ++number }, 8);
    if (send(fd, buffer, size, 0) < 0 && errno != ECONNREFUSED) refuse("send");
    uint64_t answered = 0;
    ssize_t got;
    /* An answer that came too late is not the answer to this question. */
    do got = recv(fd, buffer, 65536, 0);
    while (got >= 8 && (memcpy(&answered, buffer, 8), answered != number));
    uint64_t took = now() - sent;
    if (sent - start < warm) continue;
    if (got < 8) {
      lost++;
      continue;
    }
    samples[count++] = (uint32_t)took;
    sum += took;
  }
  if (count == 0) {
    printf("{\"count\":0,\"lost\":%llu}\n", (unsigned long long)lost);
    return 0;
  }
  qsort(samples, count, sizeof *samples, by_value);
  printf("{\"count\":%llu,\"lost\":%llu,\"mean\":%llu,\"p50\":%u,\"p99\":%u,\"max\":%u}\n", (unsigned long long)count,
         (unsigned long long)lost, (unsigned long long)(sum / count), samples[count / 2], samples[count * 99 / 100],
         samples[count - 1]);
  return 0;
}
