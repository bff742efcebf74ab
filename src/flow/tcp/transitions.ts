/**
 * How an end's state follows from what it sends and receives (RFC 9293 §3.3.2, figure 5, with the simultaneous open of
 * §3.5 and the closing of §3.6). The table is the protocol; what is not in it changes nothing.
 * @module
 */
import { TCP_STATES, type TcpState } from "./state.ts";

/** What can happen to an end. */
export const Stimulus = {
  sendSyn: 0,
  receiveSyn: 1,
  receiveAckOfSyn: 2,
  sendFin: 3,
  receiveFin: 4,
  receiveAckOfFin: 5,
  reset: 6,
  sendSynAck: 7,
} as const;

type StimulusName = keyof typeof Stimulus;

const TRANSITIONS: Record<TcpState, Partial<Record<StimulusName, TcpState>>> = {
  CLOSED: { sendSyn: "SYN_SENT", receiveSyn: "SYN_RCVD", sendSynAck: "SYN_RCVD" },
  LISTEN: { sendSyn: "SYN_SENT", receiveSyn: "SYN_RCVD", sendSynAck: "SYN_RCVD" },
  // A SYN without ACK in SYN_SENT is the simultaneous open; one with ACK is followed by receiveAckOfSyn.
  SYN_SENT: { receiveSyn: "SYN_RCVD", receiveAckOfSyn: "ESTABLISHED", sendSynAck: "SYN_RCVD" },
  // Who sends a SYN of its own here had not got the other's yet: the two have crossed.
  SYN_RCVD: {
    sendSyn: "SYN_SENT",
    receiveAckOfSyn: "ESTABLISHED",
    sendFin: "FIN_WAIT_1",
    receiveFin: "CLOSE_WAIT",
  },
  ESTABLISHED: { sendFin: "FIN_WAIT_1", receiveFin: "CLOSE_WAIT" },
  FIN_WAIT_1: { receiveAckOfFin: "FIN_WAIT_2", receiveFin: "CLOSING" },
  FIN_WAIT_2: { receiveFin: "TIME_WAIT" },
  CLOSE_WAIT: { sendFin: "LAST_ACK" },
  CLOSING: { receiveAckOfFin: "TIME_WAIT" },
  LAST_ACK: { receiveAckOfFin: "CLOSED" },
  TIME_WAIT: {},
};

const STIMULUS_COUNT = 8;
const NEXT = new Uint8Array(TCP_STATES.length * STIMULUS_COUNT);
for (const [from, name] of TCP_STATES.entries()) {
  for (const [stimulus, index] of Object.entries(Stimulus)) {
    const to = stimulus === "reset" ? "CLOSED" : TRANSITIONS[name][stimulus as StimulusName];
    NEXT[from * STIMULUS_COUNT + index] = to === undefined ? from : TCP_STATES.indexOf(to);
  }
}

/** The index of the state that `state` goes to by `stimulus`. */
export function nextState(state: number, stimulus: number): number {
  return NEXT[state * STIMULUS_COUNT + stimulus] as number;
}
