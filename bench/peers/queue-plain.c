/*
 * A netfilter queue program as the library's manual has it: one recv and one verdict for each packet.
 * cc -O2 queue-plain.c -lnetfilter_queue -lnfnetlink
 */
#include "queue-script.h"

#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/types.h>

static int on_packet(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *data, void *context) {
  (void)message;
  (void)context;
  struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(data);
  unsigned char *packet = NULL;
  int length = nfq_get_payload(data, &packet);
  bool modified = length > 0 && run_script(packet, (size_t)length);
  return nfq_set_verdict(queue, ntohl(header->packet_id), NF_ACCEPT, modified ? (uint32_t)length : 0,
                         modified ? packet : NULL);
}

static void refuse(const char *what) {
  fprintf(stderr, "Cannot %s: %s\n", what, strerror(errno));
  exit(1);
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  struct nfq_handle *handle = nfq_open();
  if (!handle) refuse("open the queue library");
  struct nfq_q_handle *queue = nfq_create_queue(handle, options.queue, on_packet, NULL);
  if (!queue) refuse("bind the queue");
  if (nfq_set_mode(queue, NFQNL_COPY_PACKET, options.copy_range) < 0) refuse("set the copy range");
  if (nfq_set_queue_maxlen(queue, QUEUE_LENGTH) < 0) refuse("set the queue's length");
  uint32_t flag = NFQA_CFG_F_GSO;
  if (nfq_set_queue_flags(queue, flag, options.segments ? flag : 0) < 0) refuse("set the queue's flags");
  int fd = nfq_fd(handle);
  int on = 1, bytes = RECEIVE_BUFFER;
  setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
  static char buffer[65536 + 4096] __attribute__((aligned));
  uint64_t receive_count = 0;
  puts("ready");
  fflush(stdout);
  while (!stopped) {
    ssize_t length = recv(fd, buffer, sizeof buffer, 0);
    if (length < 0) {
      if (errno == EINTR || errno == ENOBUFS) continue;
      refuse("receive");
    }
    receive_count++;
    nfq_handle_packet(handle, buffer, (int)length);
  }
  report(receive_count);
  return 0;
}
