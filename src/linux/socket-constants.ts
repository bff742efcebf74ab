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
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_MARK = 36;
export const SO_PEERGROUPS = 59;

export const SOL_NETLINK = 270;
export const NETLINK_NO_ENOBUFS = 5;
export const NETLINK_CAP_ACK = 10;

export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;

export const ETH_P_IP = 0x0800;

export const EAGAIN = 11;
export const ENOBUFS = 105;
