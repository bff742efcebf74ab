/**
 * The numbers of the link protocol (`docs/link-protocol.md`): every queue and table of a link has its maximum here.
 * @module
 */
import { type Duration, milliseconds, minutes, seconds } from "#base/time.ts";

/** First tuple of HELLO; a peer without it speaks something else. */
export const MAGIC = "metanet";
/** The versions this implementation speaks. */
export const VERSION_MIN = 1;
export const VERSION_MAX = 1;

/** Bytes of charged frames that a peer may send before it hears of more; the start of each direction's credit. */
export const CREDIT_BYTES = 262_144;
/** Credit is given back in portions of at least this many bytes. */
export const CREDIT_PORTION_BYTES: number = CREDIT_BYTES / 4;
/** Charged bytes that wait for credit on one link; beyond it senders get OverflowError. */
export const QUEUE_BYTES_MAX = 1_048_576;
/** Bytes of replies and verdicts that a peer leaves unread; beyond it the link is closed. */
export const UNREAD_BYTES_MAX = 8_388_608;
/** Frames are gathered until the turn of the loop is over, or there are this many bytes. */
export const GATHER_BYTES = 65_536;

/** The longest frame before the peer has said who it is. */
export const STRANGER_FRAME_BYTES_MAX = 4096;
/** Mailbox names that one side can intern on a link; further ones are spelled out. */
export const NAME_COUNT_MAX = 4096;
/** Requests on one link that wait for their answer. */
export const PENDING_COUNT_MAX = 65_536;
/** Links of one process. */
export const LINK_COUNT_MAX = 1024;
/** Listeners and observers that one process has in others, standing orders included. */
export const ORDER_COUNT_MAX = 4096;
/** Listeners and observers that one peer has in this process. */
export const GUEST_COUNT_MAX = 4096;
/** Posted messages that wait for a connection to one process. */
export const EARLY_POST_COUNT_MAX = 1024;

/** How long a new peer has to say HELLO. */
export const HELLO_TIMEOUT: Duration = seconds(5);
/** Silence after which a peer is asked whether it is alive. */
export const IDLE: Duration = seconds(5);
/** PINGs in a row without any sign of life, after which the link is given up. */
export const MISSED_MAX = 3;
/** How long a link that says GOODBYE waits for answers that are due. */
export const DRAIN: Duration = seconds(1);
/** How long after its time-out a verdict is still told apart from one that nobody asked for. */
export const LATE_KEPT: Duration = seconds(1);
/** The first pause before connecting again, doubled each time. */
export const RETRY_FIRST: Duration = milliseconds(100);
/** The longest one. */
export const RETRY_MAX: Duration = seconds(5);
/** How long the slot of a listener whose process has died is kept; one that rejects by default is kept for good. */
export const AWAY_KEPT: Duration = minutes(10);
/** What a frame without a budget has (`Bus`'s default). */
export const BUDGET_DEFAULT: Duration = seconds(2);
