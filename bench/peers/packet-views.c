/*
 * What bench/packet-views.ts measures, in C: of each packet of a batch, decode IPv4 and UDP with bounds checks, read
 * five fields, and set the source address with both checksums (RFC 1624). Says nanoseconds per packet.
 *
 *     packet-views BATCH ROUNDS
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLOT 128
#define LENGTH 60

static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static uint32_t get32(const uint8_t *at) { return (uint32_t)get16(at) << 16 | get16(at + 2); }
static void put16(uint8_t *at, uint16_t value) { at[0] = value >> 8, at[1] = value & 0xff; }

static uint16_t update(uint16_t sum, uint16_t old, uint16_t now) {
  uint32_t total = (uint16_t)~sum + (uint32_t)(uint16_t)~old + now;
  total = (total >> 16) + (total & 0xffff);
  return (uint16_t)~((total >> 16) + total);
}

/* Out of line, as a script's function is. */
__attribute__((noinline)) static uint32_t one(uint8_t *packet, uint32_t length, uint32_t source) {
  if (length < 20 || packet[0] >> 4 != 4) return 0;
  uint32_t header = (packet[0] & 15) * 4, total = get16(packet + 2);
  if (header < 20 || total < header || total > length || packet[9] != 17) return 0;
  if ((get16(packet + 6) & 0x1fff) != 0 || total - header < 8) return 0;
  uint8_t *udp = packet + header;
  uint32_t read = get32(packet + 12) ^ get32(packet + 16) ^ packet[8] ^ get16(udp) ^ get16(udp + 2);
  for (int word = 0; word < 2; word++) {
    uint16_t old = get16(packet + 12 + 2 * word), now = (uint16_t)(word == 0 ? source >> 16 : source);
    if (old == now) continue;
    put16(packet + 12 + 2 * word, now);
    put16(packet + 10, update(get16(packet + 10), old, now));
    uint16_t sum = get16(udp + 6);
    if (sum == 0) continue;
    sum = update(sum, old, now);
    put16(udp + 6, sum == 0 ? 0xffff : sum);
  }
  return read;
}

int main(int count, char **words) {
  if (count != 3) return 2;
  int batch = atoi(words[1]);
  long rounds = atol(words[2]);
  uint8_t *memory = calloc((size_t)batch, SLOT);
  for (int index = 0; index < batch; index++) {
    uint8_t *packet = memory + (size_t)index * SLOT;
    packet[0] = 0x45, packet[3] = LENGTH, packet[8] = 64, packet[9] = 17;
    packet[12] = 10, packet[15] = (uint8_t)index, packet[27] = 40, packet[26] = 1;
  }
  struct timespec begin, end;
  uint32_t seen = 0;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (long round = 0; round < rounds; round++)
    for (int index = 0; index < batch; index++) seen ^= one(memory + (size_t)index * SLOT, LENGTH, 0x0a000000 + (uint32_t)(round + index));
  clock_gettime(CLOCK_MONOTONIC, &end);
  double took = (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
  printf("%.3f %u\n", took / ((double)rounds * batch), seen);
  return 0;
}
