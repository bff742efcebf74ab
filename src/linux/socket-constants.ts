/**
 * Numbers of Linux's socket interface, by their names in the kernel's headers (asm-generic: x86, ARM, RISC-V).
 * @module
 */

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0x800;

export const SOL_SOCKET = 1;
export const SO_BROADCAST = 6;
export const SO_RCVBUF = 8;
export const SO_PEERCRED = 17;
export const SO_BINDTODEVICE = 25;
export const SO_DETACH_FILTER = 27;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_MARK = 36;
export const SO_PEERGROUPS = 59;

/** packet(7), `linux/if_packet.h`. */
export const SOL_PACKET = 263;
export const PACKET_ADD_MEMBERSHIP = 1;
export const PACKET_RX_RING = 5;
export const PACKET_STATISTICS = 6;
export const PACKET_VERSION = 10;
export const PACKET_FANOUT = 18;
export const PACKET_IGNORE_OUTGOING = 23;
export const PACKET_FANOUT_HASH = 0;
export const PACKET_MR_PROMISC = 1;
export const TPACKET_V3 = 2;

export const SOL_NETLINK = 270;
export const NETLINK_NO_ENOBUFS = 5;
export const NETLINK_CAP_ACK = 10;

export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;

export const ETH_P_IP = 0x0800;
export const ETH_P_ALL = 0x0003;

/** Hardware types of interfaces (`linux/if_arp.h`). */
export const ARPHRD_ETHER = 1;
export const ARPHRD_RAWIP = 519;
export const ARPHRD_TUNNEL = 768;
export const ARPHRD_TUNNEL6 = 769;
export const ARPHRD_LOOPBACK = 772;
export const ARPHRD_SIT = 776;
export const ARPHRD_NONE = 0xfffe;

/** A `struct ifreq` on 64-bit machines: the name, then a union that begins at {@link IFREQ_VALUE_AT}. */
export const IFREQ_BYTES = 40;
export const IFREQ_VALUE_AT = 16;
export const SIOCGIFFLAGS = 0x8913;
export const SIOCSIFFLAGS = 0x8914;
export const SIOCGIFMTU = 0x8921;
export const SIOCSIFMTU = 0x8922;
export const IFF_UP = 1;
/** `_IOW('T', 202, int)` as x86, ARM and RISC-V number it. */
export const TUNSETIFF = 0x4004_54ca;
export const IFF_TUN = 1;
export const IFF_TAP = 2;
export const IFF_NO_PI = 0x1000;

export const EAGAIN = 11;
export const ENOBUFS = 105;
