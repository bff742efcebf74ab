/**
 * The kernel's table of connections, asked one by one: for kernels whose queue does not bring a packet's connection
 * along. A connection is in the table from the moment its first packet has gone through the last hook.
 * @module
 */
import { UnavailableError } from "#base/errors.ts";
import {
  CONNTRACK_NEW,
  type Conntrack,
  type ConntrackTuple,
  decodeConntrackMessage,
  encodeConntrackGet,
  encodeConntrackList,
  encodeConntrackSetMark,
  invertTuple,
} from "#wire/conntrack.ts";
import { NETLINK_NETFILTER } from "#wire/nftables.ts";
import { NetlinkSocket } from "./netlink.ts";

const ENOENT = 2;

/** The connections of the network namespace the thread is in; needs root (CAP_NET_ADMIN). */
export class ConntrackTable {
  readonly #socket: NetlinkSocket = new NetlinkSocket(NETLINK_NETFILTER);

  /**
   * The connection a packet belongs to, by its addresses and ports; `undefined` when it is the first one, or when nobody
   * tracks it. A plain call of about ten microseconds, twice that for what is not there.
   * @param isTranslated whether the packet may have other addresses than on the wire; true at first
   * @throws UnavailableError when the kernel has no such table.
   */
  find(packet: ConntrackTuple, isTranslated = true): Conntrack | undefined {
    const found = this.#findAs(packet);
    return found || !isTranslated ? found : this.#findAs(invertTuple(packet));
  }

  /**
   * The connections of which all bits of `status` are set, one at least, see `ConntrackStatus`. The kernel looks through the table of
   * the whole machine: some milliseconds.
   * @throws UnavailableError when the kernel refuses.
   */
  list(status: number): Conntrack[] {
    const messages = this.#socket.list((sequence) => encodeConntrackList(sequence, status));
    if (typeof messages === "number") {
      this.#check("list connections", messages);
      return [];
    }
    return messages.flatMap(({ body }) => {
      const connection = decodeConntrackMessage(body);
      return connection && (connection.status & status) === status ? [connection] : [];
    });
  }

  /**
   * Sets the mark of the connection a packet belongs to; `false` when it has none, as in {@link find}.
   * @throws UnavailableError when the kernel refuses.
   */
  setMark(packet: ConntrackTuple, mark: number): boolean {
    return this.#setMarkAs(packet, mark) || this.#setMarkAs(invertTuple(packet), mark);
  }

  close(): void {
    this.#socket.close();
  }

  /** Translated addresses make a packet look like neither direction, but turned round like one of them. */
  #findAs(tuple: ConntrackTuple): Conntrack | undefined {
    const sequence = this.#socket.reserve(1);
    const answer = this.#socket.askForOne(encodeConntrackGet(sequence, tuple), sequence);
    if (typeof answer === "number") {
      this.#check("look for a connection", answer);
      return undefined;
    }
    return answer.type === CONNTRACK_NEW ? decodeConntrackMessage(answer.body) : undefined;
  }

  #setMarkAs(tuple: ConntrackTuple, mark: number): boolean {
    const sequence = this.#socket.reserve(1);
    const [answer] = this.#socket.ask(encodeConntrackSetMark(sequence, tuple, mark), sequence, sequence);
    const errno = answer?.errno ?? 0;
    this.#check("set a connection's mark", errno);
    return errno === 0;
  }

  #check(what: string, errno: number): void {
    if (errno === 0 || errno === ENOENT) return;
    const fix = "It needs root, and CONFIG_NF_CT_NETLINK";
    throw new UnavailableError(`Cannot ${what}: the kernel gave errno ${errno}. ${fix}`);
  }
}
