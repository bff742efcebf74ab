/**
 * What programs import: `import { node, stop, mac } from "metanet"`.
 * @module
 */
import "#contract/dhcpd.ts";
import "#contract/firewall.ts";
import "#contract/portald.ts";
import "#contract/sys.ts";
import "#contract/system.ts";

export {
  ConfigurationError,
  InvariantError,
  LimitExceededError,
  MalformedMessageError,
  MetanetError,
  ProtocolViolationError,
  UnavailableError,
} from "#base/errors.ts";
export { type IpAddress, type IpPrefix, ip, prefix } from "#base/ip-address.ts";
export { type MacAddress, mac } from "#base/mac-address.ts";
export {
  type Duration,
  hours,
  type Instant,
  instant,
  milliseconds,
  minutes,
  seconds,
  Timestamp,
} from "#base/time.ts";
export type { Scalar, Tuples, Value } from "#base/value.ts";
export { type Contract, contract, type RegistryOf, t } from "#contract/contract.ts";
export type { Bus } from "#mailbox/bus.ts";
export {
  ContractError,
  DeniedError,
  LoopError,
  NobodyListeningError,
  NoSuchMailboxError,
  OverflowError,
  PeerGoneError,
  RejectedError,
  RemoteError,
  TimedOutError,
} from "#mailbox/errors.ts";
export {
  type Context,
  type Filter,
  type Listener,
  type ListenerOptions,
  type Observer,
  PROVIDER,
} from "#mailbox/listener.ts";
export { type Edit, type Fields, Message, message } from "#mailbox/message.ts";
export type { Registry } from "#mailbox/registry.ts";
export type { Attachment } from "#mailbox/router.ts";
export { answer, change, reject, stop, type Verdict } from "#mailbox/verdict.ts";
export { type Node, type NodeOptions, node } from "./node.ts";
export { type Objects, offerObjects } from "./objects.ts";
