/**
 * The mailboxes of packet scripts: loading and listing them, what they share, and a decision about a packet that
 * listeners in other processes and languages can take.
 * @module
 */
import { contract, type RegistryOf, t } from "./contract.ts";

const loaded = {
  name: t.text("the script's name"),
  version: t.uint("grows with every reload, from 1"),
  engine: t.text("user (netfilter queue) or kernel"),
  reason: t.text("why it is not in the kernel, where it might have been; empty when there is none"),
  writing: t.boolean("the script changes packets, so that each comes by itself and not as an aggregate"),
  "read-bytes": t.uint("how much of each packet it sees, in bytes from the IP header on"),
  persisted: t.boolean("it will be loaded again after a restart"),
};

export const packetd = contract(
  "packetd",
  "Packet scripts: functions in TypeScript that decide what becomes of packets",
  {
    "/packetd/script/load": {
      says: "Run a function of a TypeScript module on packets. A name that is loaded is replaced, and no packet is lost.",
      kind: "call",
      sent: "anyone",
      // A listener that was to look at scripts and cannot must not become a yes.
      guarded: true,
      tags: {
        name: t.text("what it is listed and unloaded by: 1 to 64 of a-z A-Z 0-9 _ -, a letter first"),
        file: t.text("the module's absolute path; packetd's user must be able to read it"),
        function: t.text("the exported function"),
        hook: t.text(
          "prerouting, input, forward, output or postrouting; ingress, egress or xdp of an interface, in the kernel",
        ),
        family: t.text("inet (IPv4 and IPv6, the default), ip, ip6 or bridge").optional(),
        in: t
          .text("only packets that came in by this interface; * at the end stands for anything")
          .optional(),
        out: t.text("only packets that leave by this interface").optional(),
        match: t.text("only these packets, in nft's language: udp dport 53").optional(),
        isolate: t
          .text("scripts of one isolate share their modules' variables; of its own when absent")
          .optional(),
        "on-error": t
          .text("drop (the default) or accept: what becomes of a packet whose script fails or is not there")
          .optional(),
        queues: t.uint8("queues, each with an isolate of its own, 1 (the default) to 64").optional(),
        deadline: t.duration("milliseconds a later verdict is waited for; 2000 when absent").optional(),
        "time-limit": t
          .duration("milliseconds one packet may keep the isolate busy; 500 when absent")
          .optional(),
        seed: t.uint32("for context.random; a random one when absent").optional(),
        engine: t
          .text("user, kernel, or auto (the default): the kernel when the script is the same there")
          .optional(),
        pin: t
          .boolean("a program in the kernel stays when packetd ends, however it does; false when absent")
          .optional(),
        persist: t.boolean("load it again after a restart; false when absent").optional(),
        namespace: t
          .text(
            "the sender's network namespace as /proc/self/ns/net links to it; another one than packetd's is refused",
          )
          .optional(),
      },
      answer: {
        ...loaded,
        replaced: t.boolean("a script of this name was loaded before"),
        warning: t.list("text", "what may not be meant, such as an interface that is not there"),
      },
    },
    "/packetd/script/reload": {
      says: "Load a script's file again, as it was loaded. What cannot be loaded leaves the old version running.",
      kind: "call",
      sent: "anyone",
      guarded: true,
      tags: { name: t.text("the script's name") },
      answer: {
        ...loaded,
        warning: t.list("text", "what may not be meant, such as an interface that is not there"),
      },
    },
    "/packetd/script/unload": {
      says: "Bring no more packets to a script; those it holds get their verdicts first.",
      kind: "call",
      sent: "anyone",
      guarded: true,
      tags: {
        name: t.text("the script's name").optional(),
        all: t.boolean("all scripts; false when absent").optional(),
      },
      answer: {
        unloaded: t.list("text", "the scripts that were loaded and are not any more"),
        returning: t.list("text", "those of them that the configuration file loads again at the next start"),
      },
    },
    "/packetd/script/list": {
      says: "The scripts by name, with statistics: lists of one length, and further below of others.",
      kind: "call",
      sent: "anyone",
      tags: {
        name: t.text("this script only").optional(),
        limit: t.uint("how many at the most; 100 when absent, and never more").optional(),
        after: t.text("only names sorted behind this one, the next page").optional(),
      },
      answer: {
        name: t.list("text", "names"),
        place: t.list("uint", "their order of loading, which is their order at a hook"),
        file: t.list("text", "modules"),
        function: t.list("text", "functions"),
        hook: t.list("text", "hooks"),
        family: t.list("text", "inet, ip, ip6 or bridge"),
        in: t.list("text", "interfaces, empty for all"),
        out: t.list("text", "interfaces, empty for all"),
        match: t.list("text", "expressions, empty for every packet"),
        isolate: t.list("text", "isolates"),
        "on-error": t.list("text", "drop or accept"),
        queues: t.list("uint8", "how many queues each"),
        deadline: t.list("duration", "milliseconds"),
        "time-limit": t.list("duration", "milliseconds"),
        engine: t.list("text", "user or kernel; empty for a script that could not be loaded"),
        "engine-wanted": t.list("text", "user, kernel or auto"),
        reason: t.list("text", "why it is not in the kernel, where it might have been; else empty"),
        attached: t.list("text", "where it is in the kernel, one place a line; empty in user space"),
        pinned: t.list("boolean", "stay when packetd ends"),
        "hands-over-to": t.list("text", "functions in user space that get what these hand over, or empty"),
        redirected: t.list("uint", "packets sent out of another interface in place of their way"),
        handed: t.list("uint", "packets handed over to them"),
        state: t.list(
          "text",
          "running, waiting (for its interface), restarting, failed, or unloadable: not loaded at the start",
        ),
        version: t.list("uint", "grow with every reload, from 1"),
        persisted: t.list("boolean", "loaded again after a restart"),
        configured: t.list("boolean", "from the configuration file"),
        writing: t.list("boolean", "change packets"),
        "read-bytes": t.list("uint", "bytes of each packet they see"),
        packets: t.list("uint", "packets seen"),
        bytes: t.list("uint", "their bytes, with IP header"),
        accepted: t.list("uint", "verdicts accept"),
        dropped: t.list("uint", "verdicts drop"),
        continued: t.list("uint", "verdicts continue"),
        repeated: t.list("uint", "verdicts repeat"),
        queued: t.list("uint", "verdicts queue"),
        marked: t.list("uint", "verdicts mark"),
        later: t.list("uint", "verdicts that came later"),
        errors: t.list("uint", "packets whose script failed; they went by on-error"),
        bypassed: t.list("uint", "packets that went by on-error because nobody could be asked"),
        held: t.list("uint", "packets that wait for a later verdict now"),
        sent: t.list("uint", "packets they sent"),
        deferred: t.list("uint", "actions they put off"),
        "time-p50": t.list("uint", "nanoseconds that half of the packets took at most"),
        "time-p99": t.list("uint", "nanoseconds that 99 of 100 packets took at most"),
        error: t.list("text", "why a script could not be loaded; empty when it was"),
        "counter-script": t.list("text", "for each counter of a script's own: whose it is"),
        "counter-name": t.list("text", "… its name"),
        "counter-value": t.list("uint", "… its value"),
        "fault-script": t.list("text", "for each place where a script failed: whose it is"),
        "fault-kind": t.list("text", "… threw, timed-out, stuck, nonsense, overflow or memory"),
        "fault-place": t.list("text", "… file:line:column, or the function's name"),
        "fault-message": t.list("text", "… what was seen"),
        "fault-count": t.list("uint", "… how often"),
        namespace: t.text("packetd's network namespace, as /proc/self/ns/net links to it"),
        more: t.boolean("there is another page"),
      },
    },
    "/packetd/script/loaded": {
      says: "A script runs from now on, or a new version of it.",
      kind: "event",
      sent: "packetd",
      tags: {
        ...loaded,
        file: t.text("the module's path"),
        function: t.text("the exported function"),
        hook: t.text("where it gets its packets"),
      },
    },
    "/packetd/script/unloaded": {
      says: "A script does not run any more.",
      kind: "event",
      sent: "packetd",
      tags: { name: t.text("the script's name") },
    },
    "/packetd/script/failed": {
      says: "A script could not be loaded, or its isolate had to be started anew.",
      kind: "event",
      sent: "packetd",
      tags: {
        name: t.text("the script's name"),
        state: t.text(
          "unloaded (nothing of that name runs), running (the old version does), restarting or failed",
        ),
        code: t.text("the error's code, or the kind of the fault"),
        reason: t.text("what was seen, with the place in the script"),
      },
    },
    "/packetd/script/log": {
      says: "A line that a script wrote with context.log.",
      kind: "event",
      sent: "packetd",
      tags: { script: t.text("the script's name"), text: t.text("the line") },
    },
    "/packetd/packet": {
      says: "A script asks what is to become of a packet: answer a verdict. Unless somebody does, it is continue.",
      kind: "call",
      sent: "anyone",
      // A listener that fails makes the script's call fail, and the script's on-error decides.
      guarded: true,
      tags: {
        script: t.text("who asks"),
        bytes: t.bytes("the packet from its IP header on, or as much as the script shows"),
        in: t.text("the interface it came in by").optional(),
        out: t.text("the interface it leaves by").optional(),
        mark: t.uint32("its netfilter mark").optional(),
      },
      answer: {
        verdict: t.text("accept, drop, continue, repeat, queue N or mark N, as a script's own verdicts"),
      },
    },
    "/packetd/map/list": {
      says: "The maps that scripts share, by name.",
      kind: "call",
      sent: "anyone",
      tags: {
        limit: t.uint("how many at the most; 100 when absent, and never more").optional(),
        after: t.text("only names sorted behind this one, the next page").optional(),
      },
      answer: {
        name: t.list("text", "names"),
        kind: t.list("text", "hash, lru, array or prefix"),
        key: t.list("text", "kinds of keys"),
        engine: t.list("text", "kernel for those that programs in the kernel have as well, else user"),
        "per-processor": t.list("boolean", "have a value for each processor, and show the sum"),
        size: t.list("uint", "entries there are"),
        "size-max": t.list("uint", "entries there can be"),
        "memory-bytes": t.list("uint", "bytes of memory"),
        refused: t.list("uint", "entries that found no room"),
        evicted: t.list("uint", "entries that made room for others"),
        expired: t.list("uint", "entries whose time was over"),
        more: t.boolean("there is another page"),
      },
    },
    "/packetd/map/read": {
      says: "Entries of a shared map; keys are text: numbers in decimal, bytes in hexadecimal, prefixes as 10.0.0.0/8.",
      kind: "call",
      sent: "anyone",
      tags: {
        name: t.text("the map's name"),
        key: t.text("this entry only").optional(),
        keys: t
          .list("text", "these entries only, 1000 at most; those that are not there are left out")
          .optional(),
        limit: t.uint("how many at the most; 1000 when absent, and never more").optional(),
      },
      answer: {
        key: t.list("text", "keys"),
        value: t.list("float", "their numbers"),
        more: t.boolean("there are others"),
      },
    },
    "/packetd/map/write": {
      says: "Put a number into a shared map.",
      kind: "call",
      sent: "anyone",
      guarded: true,
      tags: {
        name: t.text("the map's name; it must be there"),
        key: t.text("the entry's key, as read shows keys"),
        value: t.float("the number"),
      },
      answer: {},
    },
    "/packetd/map/delete": {
      says: "Take an entry out of a shared map.",
      kind: "call",
      sent: "anyone",
      guarded: true,
      tags: { name: t.text("the map's name"), key: t.text("the entry's key, as read shows keys") },
      answer: { deleted: t.boolean("it was there") },
    },
  },
);

declare module "#mailbox/registry.ts" {
  interface Registry extends RegistryOf<typeof packetd> {}
}
