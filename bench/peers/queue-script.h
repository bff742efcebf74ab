/*
 * What both netfilter queue programs do with a packet: accept it, read five header fields and count, or rewrite the
 * source address with incremental checksums (RFC 1624). A packet script that is measured against them does the same.
 */
#ifndef QUEUE_SCRIPT_H
#define QUEUE_SCRIPT_H

#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum mode { MODE_ACCEPT, MODE_READ, MODE_NAT };

struct options {
  uint16_t queue;
  enum mode mode;
  bool segments;       /* NFQA_CFG_F_GSO: super-packets come whole */
  uint32_t copy_range; /* bytes of each packet that the kernel hands over */
  uint32_t inside;     /* network byte order: the source that is hidden */
  uint32_t outside;    /* network byte order: what it is hidden behind */
};

#define QUEUE_LENGTH 8192
#define RECEIVE_BUFFER (16 * 1024 * 1024)

static struct options options;
static uint32_t counts[65536];
static uint64_t packet_count, modified_count;
static volatile sig_atomic_t stopped;

static void stop(int signal) {
  (void)signal;
  stopped = 1;
}

/* PROGRAM QUEUE accept|read|nat whole|split COPY-RANGE [INSIDE OUTSIDE] */
static void read_options(int argc, char **argv) {
  if (argc != 5 && argc != 7) {
    fprintf(stderr, "usage: %s QUEUE accept|read|nat whole|split COPY-RANGE [INSIDE OUTSIDE]\n", argv[0]);
    exit(2);
  }
  options.queue = (uint16_t)atoi(argv[1]);
  options.mode = strcmp(argv[2], "nat") == 0 ? MODE_NAT : strcmp(argv[2], "read") == 0 ? MODE_READ : MODE_ACCEPT;
  options.segments = strcmp(argv[3], "whole") == 0;
  options.copy_range = (uint32_t)atoi(argv[4]);
  if (options.mode == MODE_NAT && (argc != 7 || options.segments)) {
    fprintf(stderr, "nat needs both addresses, and segments split: the kernel has not summed whole ones\n");
    exit(2);
  }
  if (argc == 7) {
    inet_pton(AF_INET, argv[5], &options.inside);
    inet_pton(AF_INET, argv[6], &options.outside);
  }
  /* Without SA_RESTART: a blocked recv must come back. */
  struct sigaction action = { .sa_handler = stop };
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
}

static inline uint32_t load32(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, 4);
  return value;
}

static inline uint16_t load16(const uint8_t *at) {
  uint16_t value;
  memcpy(&value, at, 2);
  return value;
}

/* Mends a checksum after four bytes changed. RFC 1624, equation 3; byte order does not matter. */
static inline uint16_t mend(uint16_t checksum, uint32_t before, uint32_t after) {
  uint32_t sum = (uint16_t)~checksum;
  sum += (uint16_t)~(before & 0xffff);
  sum += (uint16_t)~(before >> 16);
  sum += (after & 0xffff) + (after >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

static inline void store16(uint8_t *at, uint16_t value) {
  memcpy(at, &value, 2);
}

static inline void replace_address(uint8_t *packet, size_t length, size_t offset, uint32_t after) {
  uint32_t before = load32(packet + offset);
  size_t header = (size_t)(packet[0] & 15) * 4;
  memcpy(packet + offset, &after, 4);
  store16(packet + 10, mend(load16(packet + 10), before, after));
  /* Only the first fragment has a transport header. */
  if ((ntohs(load16(packet + 6)) & 0x1fff) != 0) return;
  if (packet[9] == IPPROTO_TCP && length >= header + 18) {
    store16(packet + header + 16, mend(load16(packet + header + 16), before, after));
  } else if (packet[9] == IPPROTO_UDP && length >= header + 8 && load16(packet + header + 6) != 0) {
    uint16_t mended = mend(load16(packet + header + 6), before, after);
    store16(packet + header + 6, mended == 0 ? 0xffff : mended);
  }
}

static inline void count_fields(const uint8_t *packet, size_t length) {
  uint32_t source, target;
  uint8_t protocol;
  size_t header;
  if (packet[0] >> 4 == 4) {
    source = ntohl(load32(packet + 12));
    target = ntohl(load32(packet + 16));
    protocol = packet[9];
    header = (size_t)(packet[0] & 15) * 4;
  } else {
    if (length < 40) return;
    source = ntohl(load32(packet + 20));
    target = ntohl(load32(packet + 36));
    protocol = packet[6];
    header = 40;
  }
  if (length < header + 4) return;
  uint16_t source_port = ntohs(load16(packet + header));
  uint16_t target_port = ntohs(load16(packet + header + 2));
  counts[(source ^ target ^ protocol ^ source_port ^ target_port) & 0xffff]++;
}

/* Whether the packet was changed and has to be sent back. */
static inline bool run_script(uint8_t *packet, size_t length) {
  packet_count++;
  if (options.mode == MODE_ACCEPT || length < 20) return false;
  if (options.mode == MODE_READ) {
    count_fields(packet, length);
    return false;
  }
  if (packet[0] >> 4 != 4) return false;
  if (load32(packet + 12) == options.inside) replace_address(packet, length, 12, options.outside);
  else if (load32(packet + 16) == options.outside) replace_address(packet, length, 16, options.inside);
  else return false;
  modified_count++;
  return true;
}

static void report(uint64_t receive_count) {
  uint64_t counted = 0;
  for (int index = 0; index < 65536; index++) counted += counts[index];
  printf("{\"packets\":%llu,\"receives\":%llu,\"counted\":%llu,\"modified\":%llu}\n",
         (unsigned long long)packet_count, (unsigned long long)receive_count, (unsigned long long)counted,
         (unsigned long long)modified_count);
}

#endif
