/*
 * example/packet/nat.ts and bench/peers/nat6-script.ts in C, with all that the scripts check and count: the source of
 * what leaves and the destination of what comes back, with the checksums of IP and of what it carries.
 */
#include "packet.h"

enum { HEADERS6 = 256, HEADERS4 = 34, PSEUDO = 0x10, ZERO_IS_NONE = 0x20, IS_IPV6 = 0x80 };

INLINE u32 differences(const u16 *before, const u16 *after, u32 words)
{
	u32 sum = 0;
	for (u32 at = 0; at < words; at++) sum += (u16)~before[at] + after[at];
	return sum;
}

/* Where the checksum of a transport stands behind its beginning; 0 for one that has none with the addresses in it. */
INLINE u32 checksum_of(int protocol)
{
	if (protocol == TCP) return 16;
	return protocol == UDP || protocol == UDP_LITE || protocol == DCCP ? 6 : 0;
}

/* Scripts at prerouting and postrouting are not shown what is not IP directly behind Ethernet. */
INLINE int is_shown(struct skb *skb)
{
	return skb->vlan_present == 0 && (skb->protocol == swap16(0x0800) || skb->protocol == swap16(0x86dd));
}

INLINE int translate(struct skb *skb, u32 field, u32 address)
{
	together(skb, HEADERS4);
	struct packet packet = { (void *)(u64)skb->data, (void *)(u64)skb->data_end, skb->len };
	if (!is_shown(skb)) return NEXT;
	struct statistics *counted = counting(packet.last - 14);
	if (!counted) return DROP;
	u32 header;
	u8 *ip = skb->protocol == swap16(0x0800) ? ipv4_at(&packet, 14, &header) : 0;
	if (!ip) return judged(counted, DROP);
	u32 sum = differences((u16 *)(ip + field), (u16 *)&address, 2);
	*(u32 *)(ip + field) = address;
	u32 own = (u16)~*(u16 *)(ip + 10) + sum;
	own = (own & 0xffff) + (own >> 16);
	own = (own & 0xffff) + (own >> 16);
	*(u16 *)(ip + 10) = ~own;
	u8 protocol = ip[9];
	u32 checksum = checksum_of(protocol), place = 14 + header + checksum;
	if (checksum && !(*(u16 *)(ip + 6) & swap16(0x1fff)) && place + 2 <= packet.last)
		l4_replace(skb, place, 0, sum, PSEUDO | (protocol == UDP ? ZERO_IS_NONE : 0));
	return judged(counted, NEXT);
}

INLINE int translate6(struct skb *skb, int is_out)
{
	together(skb, HEADERS6);
	struct packet packet = { (void *)(u64)skb->data, (void *)(u64)skb->data_end, skb->len };
	if (!is_shown(skb)) return NEXT;
	struct statistics *counted = counting(packet.last - 14);
	if (!counted) return DROP;
	int protocol;
	u32 transport;
	u8 *ip = skb->protocol == swap16(0x86dd) ? ipv6_at(&packet, 14, &protocol, &transport) : 0;
	if (!ip) return judged(counted, NEXT);
	u32 *field = (u32 *)(ip + (is_out ? 8 : 24));
	if (is_out) {
		if (field[0] != swap32(0xfd710000u) || field[1] || field[2] || field[3] != swap32(2)) return judged(counted, NEXT);
	} else if (ip[6] == ICMPV6) return judged(counted, NEXT);
	u32 address[4] = { swap32(is_out ? 0xfd710001u : 0xfd710000u), 0, 0, swap32(is_out ? 1 : 2) };
	u32 sum = differences((u16 *)field, (u16 *)address, 8);
	for (u32 at = 0; at < 4; at++) field[at] = address[at];
	u32 checksum = protocol == ICMPV6 ? 2 : checksum_of(protocol), place = transport + checksum;
	if (checksum && place + 2 <= packet.last)
		l4_replace(skb, place, 0, sum, PSEUDO | IS_IPV6 | (protocol == UDP ? ZERO_IS_NONE : 0));
	return judged(counted, NEXT);
}

SECTION("snat") int leave(struct skb *skb)
{
	return translate(skb, 12, swap32(0x0a000001u));
}

SECTION("dnat") int back(struct skb *skb)
{
	return translate(skb, 16, swap32(0xc0a80002u));
}

SECTION("snat6") int leave6(struct skb *skb)
{
	return translate6(skb, 1);
}

SECTION("dnat6") int back6(struct skb *skb)
{
	return translate6(skb, 0);
}
