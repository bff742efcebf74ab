/* Descriptors through Unix sockets (SCM_RIGHTS, unix(7)). */
#include "metanet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Descriptors of one message at most; a sender with more is cut off and its message refused. */
#define PASSED_COUNT_MAX 16

typedef union {
  char bytes[CMSG_SPACE(sizeof(int) * PASSED_COUNT_MAX)];
  struct cmsghdr aligned;
} Control;

/* sendDescriptors(fd, bytes, descriptors): at least one byte and one descriptor; gives the bytes sent. */
static napi_value call_send_descriptors(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  Bytes bytes;
  Words descriptors;
  if (!read_arguments(&arguments, env, info, "sendDescriptors", 3, 3) || !fd_argument(&arguments, 0, &fd) ||
      !bytes_argument(&arguments, 1, "bytes", &bytes) ||
      !words_argument(&arguments, 2, "descriptors", &descriptors)) {
    return NULL;
  }
  if (bytes.length == 0) return throw_range(&arguments, "no byte to send with the descriptors");
  if (descriptors.length == 0 || descriptors.length > PASSED_COUNT_MAX) {
    return throw_range(&arguments, "not 1 to 16 descriptors");
  }
  Control control;
  memset(&control, 0, sizeof control);
  struct iovec vector = {bytes.data, bytes.length};
  struct msghdr message = {.msg_iov = &vector,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.length)};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.length);
  memcpy(CMSG_DATA(header), descriptors.data, sizeof(int) * descriptors.length);
  ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
  if (sent < 0) return throw_errno(env, "sendDescriptors", errno);
  return make_number(env, (double)sent);
}

static size_t take_descriptors(struct msghdr *message, int *fds) {
  size_t count = 0;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < here && count < PASSED_COUNT_MAX; index++) {
      memcpy(&fds[count++], CMSG_DATA(header) + index * sizeof(int), sizeof(int));
    }
  }
  return count;
}

/*
 * receiveDescriptors(fd, bytes, descriptors): the bytes received, 0 at the end, -1 when there is nothing yet. The
 * descriptors land in the array, close-on-exec, and -1 in its unused places. A message with more than fit is
 * refused as EMSGSIZE with all of them closed, so that no peer can fill our table.
 */
static napi_value call_receive_descriptors(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd, fds[PASSED_COUNT_MAX];
  Bytes bytes;
  Words descriptors;
  if (!read_arguments(&arguments, env, info, "receiveDescriptors", 3, 3) || !fd_argument(&arguments, 0, &fd) ||
      !bytes_argument(&arguments, 1, "bytes", &bytes) ||
      !words_argument(&arguments, 2, "descriptors", &descriptors)) {
    return NULL;
  }
  if (bytes.length == 0) return throw_range(&arguments, "no room for a byte");
  Control control;
  memset(&control, 0, sizeof control);
  struct iovec vector = {bytes.data, bytes.length};
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (received < 0 && errno != EAGAIN) return throw_errno(env, "receiveDescriptors", errno);
  size_t count = received < 0 ? 0 : take_descriptors(&message, fds);
  if (received >= 0 && ((message.msg_flags & MSG_CTRUNC) || count > descriptors.length)) {
    for (size_t index = 0; index < count; index++) close(fds[index]);
    return throw_errno(env, "receiveDescriptors", EMSGSIZE);
  }
  for (size_t index = 0; index < descriptors.length; index++) {
    descriptors.data[index] = index < count ? fds[index] : -1;
  }
  return make_number(env, (double)received);
}

const Function passing_functions[] = {{"sendDescriptors", call_send_descriptors},
                                      {"receiveDescriptors", call_receive_descriptors},
                                      {NULL, NULL}};
