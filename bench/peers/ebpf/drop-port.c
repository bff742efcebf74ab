/*
 * Drops UDP over IPv4 to a port (53, or what -DPORT says) at an interface's traffic control: what is needed and no
 * more, and counts nothing. The same as dropPort of the back end's tests.
 */
#include "ebpf.h"

#ifndef PORT
#define PORT 53
#endif

SECTION("program") int drop_port(struct skb *skb)
{
	together(skb, 82);
	u8 *data = (void *)(u64)skb->data, *end = (void *)(u64)skb->data_end;
	if (data + 14 > end) return NEXT;
	if (*(u16 *)(data + 12) != swap16(0x0800)) return NEXT;
	u8 *ip = data + 14;
	if (ip + 20 > end) return NEXT;
	u8 first = ip[0];
	if (first >> 4 != 4 || ip[9] != 17) return NEXT;
	u8 *udp = ip + (first & 15) * 4;
	if (udp + 8 > end) return NEXT;
	return *(u16 *)(udp + 2) == swap16(PORT) ? DROP : NEXT;
}
