/*
 * The leaving side of example/kernel/nat.ts, as one would write it in C: addresses and ports inside get a port outside,
 * kept in two maps. The layout of keys and values is that of the compiler's maps, and so is what is counted.
 */
#include "ebpf.h"

enum { PORT_FIRST = 16384, PORT_COUNT = 16384, TRY_COUNT = 8 };
enum { TCP = 6, UDP = 17, ICMP = 1 };
enum { KIND_TCP = 0, KIND_UDP = 1, KIND_ECHO = 2 };
#define PUBLIC swap32(0xc0000201u)
#define LIFE_MILLISECONDS (30 * 60 * 1000)

struct value {
	s64 number;
	s64 expires;
};

/* What is counted, by place. */
struct statistics {
	u64 bytes, drop, accept, passed, mark, redirect, handed, errors, lost;
	u64 fragments, no_free_port, other_protocols, translations;
};

struct map outward SECTION(".maps");
struct map inward SECTION(".maps");
struct map statistics_map SECTION(".maps");
/* Nanoseconds from the TAI clock to the wall clock, which the loader writes here. */
extern const u64 clock_offset;

INLINE s64 now(void)
{
	return (tai() + (u64)&clock_offset) / 1000000;
}

INLINE struct value *alive(void *map, u64 key, s64 time)
{
	struct value *value = look_up(map, &key);
	return value && value->expires > time ? value : 0;
}

INLINE int outer(u32 address, u16 port, u32 kind, struct statistics *counted)
{
	u64 inside = ((u64)swap32(address) << 16) | swap16(port);
	u64 key = inside * 4 + kind;
	s64 time = now();
	struct value *known = alive(&outward, key, time);
	if (known) {
		int chosen = known->number & 0xffff;
		known->expires = time + LIFE_MILLISECONDS;
		struct value *back = alive(&inward, (u64)chosen * 4 + kind, time);
		if (back) back->expires = time + LIFE_MILLISECONDS;
		return chosen;
	}
	u32 start = ((u64)random_word() * PORT_COUNT) >> 32;
#pragma clang loop unroll(disable)
	for (u32 tries = 0; tries < TRY_COUNT; tries++) {
		u32 chosen = PORT_FIRST + (start + tries) % PORT_COUNT;
		u64 back = (u64)chosen * 4 + kind;
		struct value value = { inside, time + LIFE_MILLISECONDS };
		struct value *taken = look_up(&inward, &back);
		if (taken) {
			if (taken->expires > time) continue;
			/* An old one goes to the first that takes it. */
			s64 number = taken->number;
			if (__sync_val_compare_and_swap(&taken->number, number, (s64)inside) != number) continue;
			taken->expires = value.expires;
		} else if (update(&inward, &back, &value, 1) < 0) continue;
		value.number = chosen;
		/* As the maps of scripts have it: an entry that is there stays, with another value. */
		struct value *there = look_up(&outward, &key);
		if (there) *there = value;
		else update(&outward, &key, &value, 0);
		counted->translations++;
		return chosen;
	}
	return 0;
}

/* Brings the header's checksum up to date (RFC 1624), in native order. */
INLINE void patch(u16 *checksum, u32 before, u32 after)
{
	u64 sum = (u16)~*checksum;
	sum += (u16)~before + (u16)~(before >> 16);
	sum += (u16)after + (after >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*checksum = ~sum;
}


/* Counts a verdict, and gives it. */
INLINE int judged(u64 *counter, int code)
{
	(*counter)++;
	return code;
}

SECTION("program") int leave(struct skb *skb)
{
	together(skb, 94);
	u32 length = skb->len, type = skb->protocol;
	if (type != swap16(0x0800) && type != swap16(0x86dd)) return NEXT;
	u32 zero = 0;
	struct statistics *counted = look_up(&statistics_map, &zero);
	if (!counted) return PASS;
	counted->bytes += length;
	u8 *data = (void *)(u64)skb->data, *end = (void *)(u64)skb->data_end;
	u8 *ip = data + 14;
	if (type != swap16(0x0800) || ip + 20 > end) return judged(&counted->passed, NEXT);
	u32 total = swap16(*(u16 *)(ip + 2));
	if (!total) total = length - 14;
	u32 header = (ip[0] & 15) * 4;
	u32 last = total + 14 < length ? total + 14 : length;
	if (total < 20 || header < 20 || 14 + header > last || ip[0] >> 4 != 4) return judged(&counted->passed, NEXT);
	u32 source = *(u32 *)(ip + 12);
	if ((source & swap32(0xff000000u)) != swap32(0x0a000000u)) return judged(&counted->passed, NEXT);
	if (*(u16 *)(ip + 6) & swap16(0x3fff)) {
		counted->fragments++;
		return judged(&counted->drop, DROP);
	}
	u8 *segment = ip + header;
	u32 checksum, at, kind, flags = 0, start = 14 + header;
	if (ip[9] == TCP && start + 20 <= last && segment + 20 <= end && (segment[12] >> 4) * 4 >= 20 &&
	    start + (segment[12] >> 4) * 4 <= last) {
		kind = KIND_TCP, at = 0, checksum = 16;
	} else if (ip[9] == UDP && start + 8 <= last && segment + 8 <= end &&
		   (*(u16 *)(segment + 4) == 0 || swap16(*(u16 *)(segment + 4)) >= 8)) {
		kind = KIND_UDP, at = 0, checksum = 6, flags = 0x20;
	} else if (ip[9] == ICMP && start + 8 <= last && segment + 8 <= end && segment[0] == 8) {
		kind = KIND_ECHO, at = 4, checksum = 2;
	} else {
		counted->other_protocols++;
		return judged(&counted->drop, DROP);
	}
	if (segment + 8 > end) return DROP;
	u16 *place = (u16 *)(segment + at);
	u16 before = *place;
	int port = outer(source, before, kind, counted);
	if (port == 0) {
		counted->no_free_port++;
		return judged(&counted->drop, DROP);
	}
	u16 after = swap16(port);
	*place = after;
	*(u32 *)(ip + 12) = PUBLIC;
	patch((u16 *)(ip + 10), source, PUBLIC);
	u32 offset = start + checksum;
	if (kind != KIND_ECHO) {
		u32 pseudo = (u16)~source + (u16)~(source >> 16) + (u16)PUBLIC + (PUBLIC >> 16);
		l4_replace(skb, offset, 0, pseudo, 0x10 | flags);
	}
	l4_replace(skb, offset, 0, (u16)~before + after, flags);
	return judged(&counted->passed, NEXT);
}
