/*
 * libtins's StreamFollower over a pcap file: both directions of every TCP connection put together and handed to
 * callbacks that count. It checks no checksums; with `verify` ours are checked in front of it.
 *
 *     libtins FILE verify|trust FLOWS_AT_ONCE
 */
#include "capture.h"
#include <tins/ethernetII.h>
#include <tins/packet.h>
#include <tins/tcp_ip/stream_follower.h>

using Tins::TCPIP::Stream;

static struct figures figures;

int main(int count, char **words) {
  if (count != 4) return 2;
  struct capture capture;
  struct capture_packet packet;
  const bool verifies = strcmp(words[2], "verify") == 0;
  Tins::TCPIP::StreamFollower follower;
  follower.new_stream_callback([](Stream &stream) {
    figures.flows++;
    stream.client_data_callback([](Stream &one) { figures.bytes += one.client_payload().size(); });
    stream.server_data_callback([](Stream &one) { figures.bytes += one.server_payload().size(); });
  });
  capture_open(&capture, words[1]);
  figures_begin(&figures);
  while (capture_next(&capture, &packet)) {
    figures.packets++;
    if (figures.rss_half == 0 && capture_is_past_half(&capture)) figures.rss_half = resident_bytes();
    if (verifies && !checksums_are_right(packet.bytes, packet.captured)) continue;
    try {
      Tins::Packet whole(new Tins::EthernetII(packet.bytes, packet.captured), packet.time, Tins::Packet::own_pdu());
      follower.process_packet(whole);
    } catch (const std::exception &) {
      /* Not a packet it knows. */
    }
  }
  figures_end(&figures);
  figures_print(&figures);
  /* Its destructors would take seconds for a million streams. */
  fflush(stdout);
  _exit(0);
}
