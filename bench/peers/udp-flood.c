/*
 * Sends small UDP datagrams, 64 in one sendmmsg, and reads from the receiving namespace's own interface how many
 * arrive meanwhile: both counts belong to the same window of time, after a warm-up. Several flows go to as many
 * addresses, from the one given upwards. cc -O2 udp-flood.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define FLOWS_MAX 256

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void refuse(const char *what) {
  fprintf(stderr, "Cannot %s: %s\n", what, strerror(errno));
  exit(1);
}

/* The interface counters of another namespace: the file keeps the namespace it was opened in. */
static int open_counters(const char *namespace) {
  int home = open("/proc/self/ns/net", O_RDONLY);
  int there = open(namespace, O_RDONLY);
  if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0) refuse("enter the receiving namespace");
  int counters = open("/proc/thread-self/net/dev", O_RDONLY);
  if (counters < 0 || setns(home, CLONE_NEWNET) < 0) refuse("read the receiving namespace's counters");
  return counters;
}

static uint64_t arrived(int counters) {
  char text[4096];
  ssize_t length = pread(counters, text, sizeof text - 1, 0);
  if (length < 0) refuse("read the receiving namespace's counters");
  text[length] = 0;
  unsigned long long bytes, packets;
  char *line = strstr(text, "eth0:");
  if (!line || sscanf(line + 5, "%llu %llu", &bytes, &packets) != 2) refuse("find eth0's counters");
  return packets;
}

int main(int argc, char **argv) {
  if (argc != 9) {
    fprintf(stderr, "usage: %s ADDRESS PORT BYTES FLOWS PER-SECOND WARM-MS MS NAMESPACE-FILE\n", argv[0]);
    return 2;
  }
  size_t size = (size_t)atoi(argv[3]);
  int flow_count = atoi(argv[4]);
  double rate = atof(argv[5]);
  uint64_t warm = (uint64_t)atoi(argv[6]) * 1000000u, window = (uint64_t)atoi(argv[7]) * 1000000u;
  int counters = open_counters(argv[8]);
  struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST }, *target;
  if (getaddrinfo(argv[1], argv[2], &hints, &target) != 0) refuse("read the address");
  if (flow_count < 1 || flow_count > FLOWS_MAX || size > 65000) refuse("take these numbers");
  int sockets[FLOWS_MAX];
  for (int index = 0; index < flow_count; index++) {
    /* Each flow has a target of its own, as the kernel chooses queues by addresses. */
    if (index > 0 && target->ai_family == AF_INET) {
      struct in_addr *address = &((struct sockaddr_in *)target->ai_addr)->sin_addr;
      address->s_addr = htonl(ntohl(address->s_addr) + 1);
    }
    sockets[index] = socket(target->ai_family, SOCK_DGRAM, 0);
    if (sockets[index] < 0 || connect(sockets[index], target->ai_addr, target->ai_addrlen) < 0) refuse("connect");
  }
  struct iovec payload = { calloc(1, size + 1), size };
  struct mmsghdr messages[BATCH];
  memset(messages, 0, sizeof messages);
  for (int index = 0; index < BATCH; index++) {
    messages[index].msg_hdr.msg_iov = &payload;
    messages[index].msg_hdr.msg_iovlen = 1;
  }
  prctl(PR_SET_TIMERSLACK, 1000);
  uint64_t start = now(), from = 0, sent = 0, sent_before = 0, arrived_before = 0, time = start;
  for (int flow = 0;; flow = (flow + 1) % flow_count) {
    unsigned count = BATCH;
    if (rate > 0) {
      double due = (double)(time - start) * rate / 1e9 - (double)sent;
      if (due < 1) {
        struct timespec pause = { 0, 20000 };
        nanosleep(&pause, NULL);
        time = now();
        continue;
      }
      if (due < BATCH) count = (unsigned)due;
    }
    int done = sendmmsg(sockets[flow], messages, count, 0);
    if (done > 0) sent += (uint64_t)done;
    time = now();
    if (from == 0 && time - start >= warm) {
      from = time;
      sent_before = sent;
      arrived_before = arrived(counters);
    }
    if (from != 0 && time - from >= window) break;
  }
  printf("{\"nanoseconds\":%llu,\"sent\":%llu,\"delivered\":%llu}\n", (unsigned long long)(time - from),
         (unsigned long long)(sent - sent_before), (unsigned long long)(arrived(counters) - arrived_before));
  return 0;
}
