/* Gives UDP packets the address and port that a map has for theirs; the same as translate of the back end's tests. */
#include "ebpf.h"

#define LIFE_MILLISECONDS (30 * 60 * 1000)

struct value {
	s64 number;
	s64 expires;
};

struct statistics {
	u64 bytes, drop, accept, passed, mark, redirect, handed, errors, lost;
	u64 translated;
};

struct map table SECTION(".maps");
struct map statistics_map SECTION(".maps");
/* Nanoseconds from the TAI clock to the wall clock, which the loader writes here. */
extern const u64 clock_offset;

INLINE void patch(u16 *checksum, u32 before, u32 after)
{
	u64 sum = (u16)~*checksum;
	sum += (before & 0xffff) ^ 0xffff;
	sum += (before >> 16) ^ 0xffff;
	sum += after & 0xffff;
	sum += after >> 16;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*checksum = ~sum;
}

SECTION("program") int translate(struct skb *skb)
{
	together(skb, 82);
	u8 *data = (void *)(u64)skb->data, *end = (void *)(u64)skb->data_end;
	if (data + 14 > end) return NEXT;
	if (*(u16 *)(data + 12) != swap16(0x0800)) return NEXT;
	u8 *ip = data + 14;
	if (ip + 20 > end) return NEXT;
	u8 first = ip[0];
	if (first >> 4 != 4) return NEXT;
	u32 header = (first & 15) << 2;
	if (header < 20) return NEXT;
	if (*(u16 *)(ip + 6) & swap16(0x3fff)) return NEXT;
	if (ip[9] != 17) return NEXT;
	u8 *udp = ip + header;
	if (udp + 8 > end) return NEXT;
	u32 source = *(u32 *)(ip + 12);
	u16 port = *(u16 *)udp;
	u64 key = ((u64)swap32(source) << 16) | swap16(port);
	struct value *value = look_up(&table, &key);
	if (!value) return NEXT;
	s64 now = (tai() + (u64)&clock_offset) / 1000000;
	if (value->expires <= now) return NEXT;
	value->expires = now + LIFE_MILLISECONDS;
	u64 number = value->number;
	u16 port_after = swap16((u16)number);
	u32 after = swap32((u32)(number >> 16));
	*(u16 *)udp = port_after;
	*(u32 *)(ip + 12) = after;
	patch((u16 *)(ip + 10), source, after);
	u32 zero = 0;
	struct statistics *counted = look_up(&statistics_map, &zero);
	if (!counted) return DROP;
	counted->translated++;
	u32 offset = 14 + header + 6;
	u64 pseudo = ((source & 0xffff) ^ 0xffff) + ((source >> 16) ^ 0xffff) + (after & 0xffff) + (after >> 16);
	l4_replace(skb, offset, 0, pseudo, 0x30);
	l4_replace(skb, offset, 0, ((u64)port ^ 0xffff) + port_after, 0x20);
	return NEXT;
}
