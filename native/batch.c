/*
 * Many datagrams per system call, into and out of one slab of memory that JavaScript owns. On the packet path
 * nothing is thrown for what the kernel says: these functions give -errno instead.
 */
#include "metanet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* The headers of one batch live on the stack: 256 of them are 20 KiB. */
#define BATCH_COUNT_MAX 256

/* What receiveBatch writes about a slot: payload length, address length, control length, flags. */
#define RECEIVE_WORDS 4

/* What sendPieces reads about a piece: its offset and its length in the slab. */
#define PIECE_WORDS 2

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
 * sendPieces(fd, slab, table, start, count): one message of the pieces in rows start..start+count, each an offset and a
 * length, as they follow each other; how many bytes the kernel took, or -errno. Never waits.
 */
static napi_value call_send_pieces(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  Bytes slab;
  Words table;
  int64_t start, count;
  if (!read_arguments(&arguments, env, info, "sendPieces", 5, 5) || !fd_argument(&arguments, 0, &fd) ||
      !bytes_argument(&arguments, 1, "slab", &slab) || !words_argument(&arguments, 2, "table", &table) ||
      !integer_argument(&arguments, 3, "start", 0, INT32_MAX, &start) ||
      !integer_argument(&arguments, 4, "count", 1, BATCH_COUNT_MAX, &count)) {
    return NULL;
  }
  if ((size_t)(start + count) > table.length / PIECE_WORDS) {
    return throw_range(&arguments, "table has fewer rows than start + count");
  }
  struct iovec vectors[BATCH_COUNT_MAX];
  for (size_t index = 0; index < (size_t)count; index++) {
    Bytes bytes;
    if (!piece(slab, table.data + ((size_t)start + index) * PIECE_WORDS, &bytes)) {
      return throw_range(&arguments, "a row of the table points outside of the slab");
    }
    vectors[index] = (struct iovec){bytes.data, bytes.length};
  }
  struct msghdr message = {.msg_iov = vectors, .msg_iovlen = (size_t)count};
  ssize_t sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return make_number(env, sent < 0 ? -errno : (double)sent);
}

/* What sendParts reads about a message: its first part and their count, address and control data as parts or -1. */
#define PART_WORDS 4
/* Parts of one call at most: their headers on the stack are 24 KiB. */
#define PART_COUNT_MAX 1024

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

/* The memory of every part; false after it has thrown. Getting an element may run JavaScript, so that comes first. */
static bool read_parts(Arguments *arguments, size_t index, struct iovec *parts, uint32_t *count) {
  napi_value elements[PART_COUNT_MAX];
  bool is_array = false;
  if (napi_is_array(arguments->env, arguments->values[index], &is_array) != napi_ok || !is_array ||
      napi_get_array_length(arguments->env, arguments->values[index], count) != napi_ok) {
    napi_throw_type_error(arguments->env, "ERR_INVALID_ARG_TYPE", "Cannot sendParts: argument 'parts' is not an array");
    return false;
  }
  if (*count > PART_COUNT_MAX) {
    throw_range(arguments, "argument 'parts' has more than 1024 elements");
    return false;
  }
  for (uint32_t part = 0; part < *count; part++) {
    if (napi_get_element(arguments->env, arguments->values[index], part, &elements[part]) != napi_ok) return false;
  }
  for (uint32_t part = 0; part < *count; part++) {
    Arguments element = {.env = arguments->env, .call = arguments->call, .count = 1, .values = {elements[part]}};
    Bytes bytes;
    if (!bytes_argument(&element, 0, "parts", &bytes)) return false;
    parts[part] = (struct iovec){bytes.data, bytes.length};
  }
  return true;
}

/* Whether -1 or the index of a part. */
static bool is_part(int32_t word, uint32_t count) { return word == -1 || (word >= 0 && (uint32_t)word < count); }

/*
 * sendParts(fd, parts, table, start, count): messages gathered from an array of Uint8Arrays; otherwise as sendBatch.
 */
static napi_value call_send_parts(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  Words table;
  int64_t start, count;
  struct iovec parts[PART_COUNT_MAX];
  uint32_t part_count;
  if (!read_arguments(&arguments, env, info, "sendParts", 5, 5) || !fd_argument(&arguments, 0, &fd) ||
      !integer_argument(&arguments, 3, "start", 0, INT32_MAX, &start) ||
      !integer_argument(&arguments, 4, "count", 1, BATCH_COUNT_MAX, &count) ||
      !read_parts(&arguments, 1, parts, &part_count) || !words_argument(&arguments, 2, "table", &table)) {
    return NULL;
  }
  if ((size_t)(start + count) > table.length / PART_WORDS) {
    return throw_range(&arguments, "table has fewer rows than start + count");
  }
  struct mmsghdr messages[BATCH_COUNT_MAX];
  for (size_t index = 0; index < (size_t)count; index++) {
    const int32_t *row = table.data + ((size_t)start + index) * PART_WORDS;
    if (row[0] < 0 || row[1] < 0 || (int64_t)row[0] + row[1] > part_count || !is_part(row[2], part_count) ||
        !is_part(row[3], part_count)) {
      return throw_range(&arguments, "a row of the table names a part that is not there");
    }
    const struct iovec none = {NULL, 0};
    const struct iovec address = row[2] < 0 ? none : parts[row[2]], control = row[3] < 0 ? none : parts[row[3]];
    messages[index].msg_hdr = (struct msghdr){.msg_iov = &parts[row[0]],
                                              .msg_iovlen = (size_t)row[1],
                                              .msg_name = address.iov_base,
                                              .msg_namelen = (socklen_t)address.iov_len,
                                              .msg_control = control.iov_base,
                                              .msg_controllen = control.iov_len};
  }
  int sent = sendmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
  return make_number(env, sent < 0 ? -errno : sent);
}

const Function batch_functions[] = {{"receiveBatch", call_receive_batch},
                                    {"sendBatch", call_send_batch},
                                    {"sendPieces", call_send_pieces},
                                    {"sendParts", call_send_parts},
                                    {NULL, NULL}};
