/* bench/peers/sink-script.ts in C, with all that the script checks and counts: drops UDP to port 9. */
#include "packet.h"

#define PORT swap16(9)
enum { HEADERS = 256 };

INLINE int is_sink(struct packet *packet, u32 at)
{
	u8 *udp = bytes(packet, at, 8);
	if (!udp || at + 8 > packet->last) return 0;
	u32 length = swap16(*(u16 *)(udp + 4));
	return (length == 0 || length >= 8) && *(u16 *)(udp + 2) == PORT;
}

INLINE struct packet beginning(struct skb *skb)
{
	together(skb, HEADERS);
	return (struct packet){ (void *)(u64)skb->data, (void *)(u64)skb->data_end, skb->len };
}

INLINE int judge4(struct packet *packet)
{
	u32 at, header;
	if (network_type(packet, &at) != 0x0800) return NEXT;
	u8 *ip = ipv4_at(packet, at, &header);
	if (!ip || *(u16 *)(ip + 6) & swap16(0x1fff) || ip[9] != UDP) return NEXT;
	return is_sink(packet, at + header) ? DROP : NEXT;
}

INLINE int judge6(struct packet *packet)
{
	u32 at, transport;
	int protocol;
	if (network_type(packet, &at) != 0x86dd || !ipv6_at(packet, at, &protocol, &transport)) return NEXT;
	return protocol == UDP && is_sink(packet, transport) ? DROP : NEXT;
}

SECTION("sink") int drop_sink(struct skb *skb)
{
	struct packet packet = beginning(skb);
	struct statistics *counted = counting(packet.last);
	return counted ? judged(counted, judge4(&packet)) : DROP;
}

SECTION("sink6") int drop_sink6(struct skb *skb)
{
	struct packet packet = beginning(skb);
	struct statistics *counted = counting(packet.last);
	return counted ? judged(counted, judge6(&packet)) : DROP;
}
