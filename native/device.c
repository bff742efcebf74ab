/*
 * Devices that give one packet for each read(2) and take one with each write(2), as /dev/net/tun does; and the
 * requests about network interfaces that have no other way than ioctl(2).
 */
#include "metanet.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BATCH_COUNT_MAX 256

/* Requests that take a struct ifreq without a pointer in it: any other could write anywhere. */
static bool is_interface_request(int64_t request) {
  return request == TUNSETIFF || request == SIOCGIFFLAGS || request == SIOCSIFFLAGS || request == SIOCGIFMTU ||
         request == SIOCSIFMTU || request == SIOCGIFHWADDR;
}

/* interfaceRequest(fd, request, ifreq): `ifreq` carries the question and takes the answer. */
static napi_value call_interface_request(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  int64_t request;
  Bytes bytes;
  if (!read_arguments(&arguments, env, info, "interfaceRequest", 3, 3) || !fd_argument(&arguments, 0, &fd) ||
      !integer_argument(&arguments, 1, "request", 0, UINT32_MAX, &request) ||
      !bytes_argument(&arguments, 2, "ifreq", &bytes)) {
    return NULL;
  }
  if (!is_interface_request(request)) return throw_range(&arguments, "argument 'request' is none of those allowed");
  struct ifreq ifreq;
  if (bytes.length != sizeof ifreq) return throw_range(&arguments, "argument 'ifreq' is not a struct ifreq");
  memcpy(&ifreq, bytes.data, sizeof ifreq);
  if (ioctl(fd, (unsigned long)request, &ifreq) < 0) return throw_errno(env, "interfaceRequest", errno);
  memcpy(bytes.data, &ifreq, sizeof ifreq);
  return make_undefined(env);
}

/*
 * readBatch(fd, slab, lengths, slotBytes): read(2) into slot after slot until nothing waits; how many, 0 when none
 * waits, or -errno of the first one. A packet longer than a slot is cut off.
 */
static napi_value call_read_batch(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  int64_t slot_bytes;
  Bytes slab;
  Words lengths;
  if (!read_arguments(&arguments, env, info, "readBatch", 4, 4) || !fd_argument(&arguments, 0, &fd) ||
      !bytes_argument(&arguments, 1, "slab", &slab) || !words_argument(&arguments, 2, "lengths", &lengths) ||
      !integer_argument(&arguments, 3, "slotBytes", 1, INT32_MAX, &slot_bytes)) {
    return NULL;
  }
  size_t most = slab.length / (size_t)slot_bytes;
  if (most > lengths.length) most = lengths.length;
  if (most > BATCH_COUNT_MAX) most = BATCH_COUNT_MAX;
  if (most == 0) return throw_range(&arguments, "there is no room for one packet");
  size_t count = 0;
  while (count < most) {
    ssize_t length = read(fd, slab.data + count * (size_t)slot_bytes, (size_t)slot_bytes);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno != EAGAIN && count == 0) return make_number(env, -errno);
    if (length <= 0) break;
    lengths.data[count++] = (int32_t)length;
  }
  return make_number(env, (double)count);
}

/*
 * writeBatch(fd, slab, table, start, count): write(2) for rows of offset and length; how many were taken, or -errno of
 * the first one when it was not.
 */
static napi_value call_write_batch(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  int64_t start, count;
  Bytes slab;
  Words table;
  if (!read_arguments(&arguments, env, info, "writeBatch", 5, 5) || !fd_argument(&arguments, 0, &fd) ||
      !bytes_argument(&arguments, 1, "slab", &slab) || !words_argument(&arguments, 2, "table", &table) ||
      !integer_argument(&arguments, 3, "start", 0, INT32_MAX, &start) ||
      !integer_argument(&arguments, 4, "count", 1, BATCH_COUNT_MAX, &count)) {
    return NULL;
  }
  if ((start + count) * 2 > (int64_t)table.length) return throw_range(&arguments, "the table has fewer rows");
  for (int64_t row = start; row < start + count; row++) {
    const int64_t offset = table.data[row * 2], length = table.data[row * 2 + 1];
    if (offset < 0 || length < 0 || offset + length > (int64_t)slab.length) {
      return throw_range(&arguments, "a row reaches out of the slab");
    }
  }
  int64_t done = 0;
  while (done < count) {
    const int32_t *row = table.data + (start + done) * 2;
    ssize_t length = write(fd, slab.data + row[0], (size_t)row[1]);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && done == 0) return make_number(env, -errno);
    if (length < 0) break;
    done++;
  }
  return make_number(env, (double)done);
}

const Function device_functions[] = {{"interfaceRequest", call_interface_request},
                                     {"readBatch", call_read_batch},
                                     {"writeBatch", call_write_batch},
                                     {NULL, NULL}};
