/*
 * What the view of a packet in a script checks, and what a script counts, for the programs that are a script's equal in C.
 */
#include "ebpf.h"

enum { TCP = 6, UDP = 17, DCCP = 33, ICMPV6 = 58, NO_NEXT = 59, UDP_LITE = 136, FRAGMENT = 44, AUTHENTICATION = 51 };
enum { EXTENSIONS_MAX = 16, OFFSET_MAX = 0xffff };

struct statistics {
	u64 bytes, drop, accept, passed, mark, redirect, handed, errors, lost;
};

struct map statistics_map SECTION(".maps");

INLINE struct statistics *counting(u32 bytes)
{
	u32 zero = 0;
	struct statistics *counted = look_up(&statistics_map, &zero);
	if (counted) counted->bytes += bytes;
	return counted;
}

INLINE int judged(struct statistics *counted, int code)
{
	if (code == DROP) counted->drop++;
	else counted->passed++;
	return code;
}

/* A piece of a packet that lies in one: places are counted from `data`. */
struct packet {
	u8 *data, *end;
	/* Behind the last byte of what is looked at. */
	u32 last;
};

/* What is there of so many bytes; null when they are not all in reach. */
INLINE u8 *bytes(const struct packet *packet, u32 at, u32 count)
{
	if (at > OFFSET_MAX - count) return 0;
	u8 *there = packet->data + at;
	return there + count > packet->end ? 0 : there;
}

/* The type behind Ethernet, VLAN tags, MPLS labels and PPPoE; `at` is where it begins. 0 when it is not known. */
INLINE u32 network_type(struct packet *packet, u32 *at)
{
	u8 *ethernet = bytes(packet, 0, 14);
	if (!ethernet) return 0;
	u32 type = swap16(*(u16 *)(ethernet + 12));
	*at = 14;
#pragma clang loop unroll(disable)
	for (u32 headers = 1; headers <= EXTENSIONS_MAX; headers++) {
		if (type == 0x8100 || type == 0x88a8 || type == 0x9100) {
			u8 *tag = bytes(packet, *at, 4);
			if (!tag) return 0;
			type = swap16(*(u16 *)(tag + 2));
			*at += 4;
		} else if (type == 0x8847 || type == 0x8848) {
			u8 *label = bytes(packet, *at, 4);
			if (!label) return 0;
			*at += 4;
			if (!(label[2] & 1)) continue;
			u8 *inner = bytes(packet, *at, 1);
			if (!inner) return 0;
			type = inner[0] >> 4 == 4 ? 0x0800 : inner[0] >> 4 == 6 ? 0x86dd : 0;
		} else if (type == 0x8864) {
			u8 *session = bytes(packet, *at, 8);
			if (!session || session[0] != 0x11) return 0;
			u32 last = *at + 6 + swap16(*(u16 *)(session + 4));
			if (last < packet->last) packet->last = last;
			u16 protocol = *(u16 *)(session + 6);
			*at += 8;
			return protocol == swap16(0x0021) ? 0x0800 : protocol == swap16(0x0057) ? 0x86dd : 0;
		} else return type;
	}
	return 0;
}

/* The header of IPv4 with its length, once its own lengths agree; `last` ends with the packet that it tells of. */
INLINE u8 *ipv4_at(struct packet *packet, u32 at, u32 *header)
{
	u8 *ip = bytes(packet, at, 20);
	if (!ip || at + 20 > packet->last) return 0;
	u32 total = swap16(*(u16 *)(ip + 2));
	if (!total) total = packet->last - at;
	*header = (ip[0] & 15) * 4;
	if (total < 20 || *header < 20) return 0;
	if (at + total < packet->last) packet->last = at + total;
	return at + *header > packet->last || ip[0] >> 4 != 4 ? 0 : ip;
}

INLINE int is_extension(u32 kind)
{
	return kind == 0 || kind == 43 || kind == FRAGMENT || kind == AUTHENTICATION || kind == 60 || kind == 135 ||
	       kind == 139 || kind == 140;
}

/* The header of IPv6; `protocol` and `transport` tell what is behind its extension headers, -1 for a later fragment. */
INLINE u8 *ipv6_at(struct packet *packet, u32 at, int *protocol, u32 *transport)
{
	u8 *ip = bytes(packet, at, 40);
	if (!ip || at + 40 > packet->last) return 0;
	u32 length = swap16(*(u16 *)(ip + 4));
	if ((length || ip[6] == NO_NEXT) && at + 40 + length < packet->last) packet->last = at + 40 + length;
	u32 kind = ip[6], place = at + 40;
	*protocol = -1;
#pragma clang loop unroll(disable)
	for (u32 headers = 0; headers <= EXTENSIONS_MAX; headers++) {
		if (!is_extension(kind)) {
			*protocol = kind;
			break;
		}
		u8 *extension = bytes(packet, place, 8);
		if (!extension) break;
		u32 size = kind == FRAGMENT ? 8 : kind == AUTHENTICATION ? (extension[1] + 2) * 4 : (extension[1] + 1) * 8;
		if (place + size > packet->last) break;
		place += size;
		int is_later = kind == FRAGMENT && *(u16 *)(extension + 2) & swap16(0xfff8);
		kind = extension[0];
		if (is_later) break;
	}
	*transport = place;
	return place > packet->last || ip[0] >> 4 != 6 ? 0 : ip;
}
