/*
 * libnids over a pcap file: both directions of every TCP connection put together and handed to a callback that counts.
 *
 *     libnids FILE verify|trust FLOWS_AT_ONCE
 */
#include "capture.h"
#include <nids.h>

static struct figures figures;

static void on_tcp(struct tcp_stream *stream, void **unused) {
  (void)unused;
  if (stream->nids_state == NIDS_JUST_EST) {
    stream->client.collect = 1;
    stream->server.collect = 1;
    figures.flows++;
  } else if (stream->nids_state == NIDS_DATA) {
    figures.bytes += (uint64_t)stream->client.count_new + (uint64_t)stream->server.count_new;
  }
}

/* Warnings of broken packets are of no interest here, and cost. */
static void on_warning(int type, int error, struct ip *header, void *data) {
  (void)type, (void)error, (void)header, (void)data;
}

int main(int count, char **words) {
  if (count != 4) return 2;
  struct capture capture;
  struct capture_packet packet;
  struct nids_chksum_ctl trust = {0, 0, NIDS_DONT_CHKSUM, 0};
  if (strcmp(words[2], "trust") == 0) nids_register_chksum_ctl(&trust, 1);
  nids_params.pcap_desc = pcap_open_dead(DLT_EN10MB, 262144);
  /* It takes three quarters of its table at most. */
  nids_params.n_tcp_streams = atoi(words[3]) / 3 * 4 + 1040;
  nids_params.scan_num_hosts = 0;
  nids_params.multiproc = 0;
  nids_params.syslog = on_warning;
  if (!nids_init()) {
    fprintf(stderr, "%s\n", nids_errbuf);
    return 1;
  }
  nids_register_tcp(on_tcp);
  capture_open(&capture, words[1]);
  figures_begin(&figures);
  while (capture_next(&capture, &packet)) {
    struct pcap_pkthdr header = {packet.time, packet.captured, packet.original};
    nids_pcap_handler(NULL, &header, (u_char *)packet.bytes);
    figures.packets++;
    if (figures.rss_half == 0 && capture_is_past_half(&capture)) figures.rss_half = resident_bytes();
  }
  figures_end(&figures);
  figures_print(&figures);
  return 0;
}
