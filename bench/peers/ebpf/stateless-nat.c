/*
 * example/packet/nat.ts as one would write it in C: the source of what leaves becomes 10.0.0.1, the destination of what
 * comes back 192.168.0.2, with the checksums of IP, TCP and UDP.
 */
#include "ebpf.h"

enum { TCP = 6, UDP = 17 };

INLINE void patch(u16 *checksum, u32 before, u32 after)
{
	u64 sum = (u16)~*checksum;
	sum += (u16)~before + (u16)~(before >> 16);
	sum += (u16)after + (after >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*checksum = ~sum;
}

INLINE int translate(struct skb *skb, u32 field, u32 address)
{
	together(skb, 94);
	u8 *data = (void *)(u64)skb->data, *end = (void *)(u64)skb->data_end;
	if (data + 14 > end) return NEXT;
	if (*(u16 *)(data + 12) != swap16(0x0800)) return NEXT;
	u8 *ip = data + 14;
	if (ip + 20 > end || ip[0] >> 4 != 4) return DROP;
	u32 header = (ip[0] & 15) * 4;
	if (header < 20) return DROP;
	u32 before = *(u32 *)(ip + field);
	if (before == address) return NEXT;
	u8 protocol = ip[9];
	u32 isFirst = !(*(u16 *)(ip + 6) & swap16(0x1fff));
	*(u32 *)(ip + field) = address;
	patch((u16 *)(ip + 10), before, address);
	u32 pseudo = (u16)~before + (u16)~(before >> 16) + (u16)address + (address >> 16);
	if (!isFirst) return NEXT;
	if (protocol == TCP) l4_replace(skb, 14 + header + 16, 0, pseudo, 0x10);
	else if (protocol == UDP) l4_replace(skb, 14 + header + 6, 0, pseudo, 0x30);
	return NEXT;
}

SECTION("snat") int translate_source(struct skb *skb)
{
	return translate(skb, 12, swap32(0x0a000001u));
}

SECTION("dnat") int translate_destination(struct skb *skb)
{
	return translate(skb, 16, swap32(0xc0a80002u));
}
