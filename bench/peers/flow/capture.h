/*
 * What the flow engines written in C and C++ share: reading a pcap file (microseconds, this machine's byte order) in
 * large pieces, which costs less than libpcap's own reading; the time and memory that an engine took, as one line of
 * JSON; and the check of checksums for an engine that has none.
 */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define CAPTURE_BUFFER (1 << 20)

struct capture {
  FILE *file;
  uint64_t file_bytes, read_bytes;
  uint8_t *buffer;
  size_t at, end;
};

struct capture_packet {
  struct timeval time;
  uint32_t captured, original;
  const uint8_t *bytes;
};

/* What an engine counted, its time on a processor (of which in the kernel, sampled), and its memory on the way. */
struct figures {
  uint64_t packets, bytes, flows;
  double seconds, system;
  uint64_t rss_start, rss_half, rss_end;
};

static inline void capture_die(const char *what) {
  perror(what);
  exit(1);
}

static inline int capture_fill(struct capture *capture) {
  memmove(capture->buffer, capture->buffer + capture->at, capture->end - capture->at);
  capture->end -= capture->at;
  capture->at = 0;
  ssize_t got = read(fileno(capture->file), capture->buffer + capture->end, CAPTURE_BUFFER - capture->end);
  if (got < 0) capture_die("read");
  capture->end += (size_t)got;
  capture->read_bytes += (uint64_t)got;
  return got > 0;
}

static inline void capture_open(struct capture *capture, const char *path) {
  struct stat status;
  memset(capture, 0, sizeof *capture);
  capture->file = fopen(path, "rb");
  if (!capture->file || fstat(fileno(capture->file), &status) != 0) capture_die(path);
  capture->file_bytes = (uint64_t)status.st_size;
  capture->buffer = (uint8_t *)malloc(CAPTURE_BUFFER);
  memset(capture->buffer, 0, CAPTURE_BUFFER);
  capture_fill(capture);
  if (capture->end < 24 || *(uint32_t *)capture->buffer != 0xa1b2c3d4) {
    fprintf(stderr, "%s: not a pcap file of this byte order in microseconds\n", path);
    exit(1);
  }
  capture->at = 24;
}

/* The packet's bytes are good until the next call. */
static inline int capture_next(struct capture *capture, struct capture_packet *packet) {
  while (capture->end - capture->at < 16) if (!capture_fill(capture)) return 0;
  uint32_t header[4];
  memcpy(header, capture->buffer + capture->at, 16);
  while (capture->end - capture->at < 16 + (size_t)header[2]) if (!capture_fill(capture)) return 0;
  packet->time.tv_sec = header[0];
  packet->time.tv_usec = header[1];
  packet->captured = header[2];
  packet->original = header[3];
  packet->bytes = capture->buffer + capture->at + 16;
  capture->at += 16 + (size_t)header[2];
  return 1;
}

static inline int capture_is_past_half(const struct capture *capture) {
  return capture->read_bytes * 2 >= capture->file_bytes;
}

static inline double seconds_of(struct timeval time) { return (double)time.tv_sec + (double)time.tv_usec / 1e6; }

static inline uint64_t resident_bytes(void) {
  unsigned long size = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (!file || fscanf(file, "%lu %lu", &size, &resident) != 2) capture_die("/proc/self/statm");
  fclose(file);
  return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static inline void figures_begin(struct figures *figures) {
  struct rusage usage;
  memset(figures, 0, sizeof *figures);
  figures->rss_start = resident_bytes();
  getrusage(RUSAGE_SELF, &usage);
  figures->seconds = -seconds_of(usage.ru_utime) - seconds_of(usage.ru_stime);
  figures->system = -seconds_of(usage.ru_stime);
}

static inline void figures_end(struct figures *figures) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  figures->seconds += seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  figures->system += seconds_of(usage.ru_stime);
  figures->rss_end = resident_bytes();
}

static inline void figures_print(const struct figures *figures) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("{\"packets\":%llu,\"bytes\":%llu,\"flows\":%llu,\"seconds\":%.6f,\"systemSeconds\":%.6f,",
         (unsigned long long)figures->packets, (unsigned long long)figures->bytes,
         (unsigned long long)figures->flows, figures->seconds, figures->system);
  printf("\"maxRssBytes\":%llu,\"rssStartBytes\":%llu,\"rssHalfBytes\":%llu,\"rssEndBytes\":%llu}\n",
         (unsigned long long)usage.ru_maxrss * 1024, (unsigned long long)figures->rss_start,
         (unsigned long long)figures->rss_half, (unsigned long long)figures->rss_end);
}

/* The ones' complement sum of 32-bit words in this machine's order, which folds to the sum of 16-bit ones (RFC 1071). */
static inline uint64_t checksum_add(const uint8_t *bytes, size_t length, uint64_t sum) {
  uint32_t word = 0;
  for (; length >= 4; bytes += 4, length -= 4) {
    memcpy(&word, bytes, 4);
    sum += word;
  }
  word = 0;
  memcpy(&word, bytes, length);
  return sum + word;
}

static inline int checksum_is_right(uint64_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum == 0xffff;
}

/* Whether the checksums of an untagged Ethernet frame with TCP in IPv4 are right; what it is not is left alone. */
static inline int checksums_are_right(const uint8_t *frame, size_t length) {
  if (length < 34 || frame[12] != 8 || frame[13] != 0 || frame[14] >> 4 != 4) return 1;
  const uint8_t *ip = frame + 14;
  size_t header = (size_t)(ip[0] & 15) * 4, total = (size_t)ip[2] << 8 | ip[3];
  if (header < 20 || total < header || total > length - 14) return 0;
  if (!checksum_is_right(checksum_add(ip, header, 0))) return 0;
  if (ip[9] != 6) return 1;
  size_t segment = total - header;
  const uint8_t pseudo[4] = {0, 6, (uint8_t)(segment >> 8), (uint8_t)segment};
  uint64_t sum = checksum_add(pseudo, 4, checksum_add(ip + 12, 8, 0));
  return checksum_is_right(checksum_add(ip + header, segment, sum));
}
