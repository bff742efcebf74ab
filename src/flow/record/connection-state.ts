/**
 * How a connection went, in Zeek's words: its `conn_state`.
 * @module
 */

/**
 * | state | meaning |
 * |---|---|
 * | S0 | an attempt without answer |
 * | S1 | established, not ended |
 * | SF | established and ended in order |
 * | REJ | the attempt was rejected |
 * | S2, S3 | established; only the client, only the server has ended its direction |
 * | RSTO, RSTR | established; reset by the client, by the server |
 * | RSTOS0 | the client sent SYN and RST, the server nothing |
 * | RSTRH | the server sent SYN/ACK and RST, the client's SYN was not seen |
 * | SH, SHR | SYN and FIN without the other's SYN; the same of the server |
 * | OTH | no SYN was seen |
 */
export type ConnectionState =
  | "S0"
  | "S1"
  | "SF"
  | "REJ"
  | "S2"
  | "S3"
  | "RSTO"
  | "RSTR"
  | "RSTOS0"
  | "RSTRH"
  | "SH"
  | "SHR"
  | "OTH";

/** What one end of a connection did. */
export interface EndHistory {
  readonly hasSyn: boolean;
  readonly hasFin: boolean;
  readonly hasReset: boolean;
  readonly packetCount: number;
}

/** The state of a TCP connection by what its ends did. */
export function tcpConnectionState(
  client: EndHistory,
  server: EndHistory,
  isEstablished: boolean,
): ConnectionState {
  if (isEstablished) {
    if (client.hasReset) return "RSTO";
    if (server.hasReset) return "RSTR";
    if (client.hasFin && server.hasFin) return "SF";
    if (client.hasFin) return "S2";
    return server.hasFin ? "S3" : "S1";
  }
  if (client.hasSyn && !server.hasSyn) {
    if (server.hasReset) return "REJ";
    if (client.hasReset) return "RSTOS0";
    return client.hasFin ? "SH" : "S0";
  }
  if (server.hasSyn && !client.hasSyn) {
    if (server.hasReset) return "RSTRH";
    return server.hasFin ? "SHR" : "OTH";
  }
  if (client.hasSyn && server.hasSyn) {
    if (server.hasReset) return "RSTR";
    return client.hasReset ? "RSTO" : "S1";
  }
  return "OTH";
}

/** The state of a flow of datagrams. */
export function datagramState(client: EndHistory, server: EndHistory): ConnectionState {
  if (client.packetCount > 0) return server.packetCount > 0 ? "SF" : "S0";
  return server.packetCount > 0 ? "SHR" : "OTH";
}
