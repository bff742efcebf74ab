/*
 * Many datagrams per system call, into and out of one slab of memory that JavaScript owns. On the packet path
 * nothing is thrown for what the kernel says: these two functions give -errno instead.
 */
#include "metanet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* The headers of one batch live on the stack: 256 of them are 20 KiB. */
#define BATCH_COUNT_MAX 256

/* What receiveBatch writes about a slot: payload length, address length, control length, flags. */
#define RECEIVE_WORDS 4

/* What sendBatch reads about a message: offset and length of payload, address and control data in the slab. */
#define SEND_WORDS 6

/*
 * receiveBatch(fd, slab, table, slotBytes, addressBytes, controlBytes): how many messages came, 0 when none was
 * waiting, or -errno. Slot i starts at i * (slotBytes + addressBytes + controlBytes): payload, address, control.
 */
static napi_value call_receive_batch(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  Bytes slab;
  Words table;
  int64_t slot_bytes, address_bytes, control_bytes;
  if (!read_arguments(&arguments, env, info, "receiveBatch", 6, 6) || !fd_argument(&arguments, 0, &fd) ||
      !bytes_argument(&arguments, 1, "slab", &slab) || !words_argument(&arguments, 2, "table", &table) ||
      !integer_argument(&arguments, 3, "slotBytes", 1, 1 << 20, &slot_bytes) ||
      !integer_argument(&arguments, 4, "addressBytes", 0, sizeof(struct sockaddr_storage), &address_bytes) ||
      !integer_argument(&arguments, 5, "controlBytes", 0, 4096, &control_bytes)) {
    return NULL;
  }
  const size_t stride = (size_t)(slot_bytes + address_bytes + control_bytes);
  size_t count = slab.length / stride;
  if (count > table.length / RECEIVE_WORDS) count = table.length / RECEIVE_WORDS;
  if (count > BATCH_COUNT_MAX) count = BATCH_COUNT_MAX;
  if (count == 0) return throw_range(&arguments, "slab or table has no room for one slot");

  struct mmsghdr messages[BATCH_COUNT_MAX];
  struct iovec vectors[BATCH_COUNT_MAX];
  for (size_t index = 0; index < count; index++) {
    uint8_t *slot = slab.data + index * stride;
    vectors[index] = (struct iovec){slot, (size_t)slot_bytes};
    messages[index].msg_hdr = (struct msghdr){.msg_iov = &vectors[index],
                                              .msg_iovlen = 1,
                                              .msg_name = address_bytes > 0 ? slot + slot_bytes : NULL,
                                              .msg_namelen = (socklen_t)address_bytes,
                                              .msg_control =
                                                  control_bytes > 0 ? slot + slot_bytes + address_bytes : NULL,
                                              .msg_controllen = (size_t)control_bytes};
  }
  int received = recvmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
  if (received < 0) return make_number(env, errno == EAGAIN || errno == EINTR ? 0 : -errno);
  for (int index = 0; index < received; index++) {
    const struct mmsghdr *message = &messages[index];
    int32_t *row = table.data + (size_t)index * RECEIVE_WORDS;
    row[0] = (int32_t)message->msg_len;
    row[1] = (int32_t)message->msg_hdr.msg_namelen;
    row[2] = (int32_t)message->msg_hdr.msg_controllen;
    row[3] = message->msg_hdr.msg_flags & ~MSG_CMSG_CLOEXEC; /* our own flag comes back */
  }
  return make_number(env, received);
}

/* The piece of the slab that two words of a row describe; false when it is not inside. */
static bool piece(Bytes slab, const int32_t *words, Bytes *out) {
  if (words[0] < 0 || words[1] < 0 || (size_t)words[0] + (size_t)words[1] > slab.length) return false;
  *out = words[1] == 0 ? (Bytes){NULL, 0} : (Bytes){slab.data + words[0], (size_t)words[1]};
  return true;
}

/*
 * sendBatch(fd, slab, table, start, count): how many messages of rows start..start+count left, in order, or -errno
 * of the first of them when none did. Never waits.
 */
static napi_value call_send_batch(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  Bytes slab;
  Words table;
  int64_t start, count;
  if (!read_arguments(&arguments, env, info, "sendBatch", 5, 5) || !fd_argument(&arguments, 0, &fd) ||
      !bytes_argument(&arguments, 1, "slab", &slab) || !words_argument(&arguments, 2, "table", &table) ||
      !integer_argument(&arguments, 3, "start", 0, INT32_MAX, &start) ||
      !integer_argument(&arguments, 4, "count", 1, BATCH_COUNT_MAX, &count)) {
    return NULL;
  }
  if ((size_t)(start + count) > table.length / SEND_WORDS) {
    return throw_range(&arguments, "table has fewer rows than start + count");
  }
  struct mmsghdr messages[BATCH_COUNT_MAX];
  struct iovec vectors[BATCH_COUNT_MAX];
  for (size_t index = 0; index < (size_t)count; index++) {
    const int32_t *row = table.data + ((size_t)start + index) * SEND_WORDS;
    Bytes payload, address, control;
    if (!piece(slab, row, &payload) || !piece(slab, row + 2, &address) || !piece(slab, row + 4, &control)) {
      return throw_range(&arguments, "a row of the table points outside of the slab");
    }
    vectors[index] = (struct iovec){payload.data, payload.length};
    messages[index].msg_hdr = (struct msghdr){.msg_iov = &vectors[index],
                                              .msg_iovlen = 1,
                                              .msg_name = address.data,
                                              .msg_namelen = (socklen_t)address.length,
                                              .msg_control = control.data,
                                              .msg_controllen = control.length};
  }
  int sent = sendmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
  return make_number(env, sent < 0 ? -errno : sent);
}

const Function batch_functions[] = {
    {"receiveBatch", call_receive_batch}, {"sendBatch", call_send_batch}, {NULL, NULL}};
