/* What the programs here need of the kernel: its numbers, and no header of its own. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

struct skb {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end;
};

struct xdp {
	u32 data, data_end, data_meta, ingress_ifindex;
};

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define swap16(x) __builtin_bswap16(x)
#define swap32(x) __builtin_bswap32(x)

/* Maps are told apart by their addresses; only instructions are counted here. */
struct map {
	u32 kind, key, value, count;
};

static void *(*const look_up)(void *map, const void *key) = (void *)1;
static long (*const update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*const removed)(void *map, const void *key) = (void *)3;
static u32 (*const random_word)(void) = (void *)7;
static long (*const l4_replace)(void *skb, u32 offset, u64 from, u64 to, u64 flags) = (void *)11;
static long (*const pull)(void *skb, u32 length) = (void *)39;
static u64 (*const tai)(void) = (void *)208;

enum { DROP = 2, PASS = 0, NEXT = -1 };

/* Brings the headers into one piece, where they are not. */
INLINE void together(struct skb *skb, u32 needed)
{
	if ((void *)(u64)skb->data + needed <= (void *)(u64)skb->data_end) return;
	u32 length = skb->len;
	if (length <= skb->data_end - skb->data) return;
	pull(skb, length < needed ? length : needed);
}
