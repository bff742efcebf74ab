/*
 * The floor for captures: a TPACKET_V3 ring on one interface, walked in C, counting packets and bytes; the layout of
 * the ring is as ours is. Says "ready"; at SIGUSR2 begins to count anew and says "again"; at SIGTERM says what it
 * counted and the processor time it took meanwhile. cc -O2 packet-ring.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK_BYTES (256 * 1024)

static void refuse(const char *what) {
  fprintf(stderr, "Cannot %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t processor_microseconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
         (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int signals(void) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGUSR2);
  sigprocmask(SIG_BLOCK, &ends, NULL);
  int descriptor = signalfd(-1, &ends, 0);
  if (descriptor < 0) refuse("wait for signals");
  return descriptor;
}

static uint8_t *open_ring(const char *name, unsigned blocks, unsigned milliseconds, int *out) {
  int ring = socket(AF_PACKET, SOCK_RAW, 0), version = TPACKET_V3;
  if (ring < 0) refuse("open a packet socket");
  struct tpacket_req3 request = { .tp_block_size = BLOCK_BYTES,
                                  .tp_block_nr = blocks,
                                  .tp_frame_size = 2048,
                                  .tp_frame_nr = BLOCK_BYTES / 2048 * blocks,
                                  .tp_retire_blk_tov = milliseconds };
  if (setsockopt(ring, SOL_PACKET, PACKET_VERSION, &version, sizeof version) < 0 ||
      setsockopt(ring, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) < 0) {
    refuse("make the ring");
  }
  uint8_t *memory = mmap(NULL, (size_t)BLOCK_BYTES * blocks, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0);
  if (memory == MAP_FAILED) refuse("map the ring");
  struct sockaddr_ll address = { .sll_family = AF_PACKET,
                                 .sll_protocol = htons(ETH_P_ALL),
                                 .sll_ifindex = (int)if_nametoindex(name) };
  if (bind(ring, (struct sockaddr *)&address, sizeof address) < 0) refuse("bind to the interface");
  *out = ring;
  return memory;
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: %s INTERFACE RING-BYTES BLOCK-MS\n", argv[0]);
    return 2;
  }
  unsigned blocks = (unsigned)atoi(argv[2]) / BLOCK_BYTES, at = 0;
  int ends = signals(), ring;
  uint8_t *memory = open_ring(argv[1], blocks, (unsigned)atoi(argv[3]), &ring);
  struct pollfd waits[] = { { .fd = ring, .events = POLLIN }, { .fd = ends, .events = POLLIN } };
  printf("ready\n");
  fflush(stdout);
  struct tpacket_stats_v3 statistics;
  socklen_t length = sizeof statistics;
  uint64_t packets = 0, bytes = 0, began = processor_microseconds();
  for (;;) {
    if (waits[1].revents) {
      struct signalfd_siginfo signal;
      if (read(ends, &signal, sizeof signal) < 0) refuse("read a signal");
      if (getsockopt(ring, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) < 0) refuse("read the statistics");
      if (signal.ssi_signo == SIGTERM) break;
      packets = bytes = 0;
      began = processor_microseconds();
      waits[1].revents = 0;
      printf("again\n");
      fflush(stdout);
    }
    struct tpacket_block_desc *block = (struct tpacket_block_desc *)(memory + (size_t)at * BLOCK_BYTES);
    if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) {
      if (poll(waits, 2, -1) < 0 && errno != EINTR) refuse("poll");
      continue;
    }
    struct tpacket3_hdr *packet = (struct tpacket3_hdr *)((uint8_t *)block + block->hdr.bh1.offset_to_first_pkt);
    for (unsigned index = 0; index < block->hdr.bh1.num_pkts; index++) {
      packets++;
      bytes += packet->tp_snaplen;
      packet = (struct tpacket3_hdr *)((uint8_t *)packet + packet->tp_next_offset);
    }
    __atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    at = (at + 1) % blocks;
  }
  printf("{\"packets\":%llu,\"bytes\":%llu,\"drops\":%u,\"microseconds\":%llu}\n", (unsigned long long)packets,
         (unsigned long long)bytes, statistics.tp_drops,
         (unsigned long long)(processor_microseconds() - began));
  return 0;
}
