/* Descriptors and sockets, one system call per function. Addresses and options are raw bytes. */
#include "metanet.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define OPTION_BYTES_MAX 65536
#define POLL_MILLISECONDS_MAX 60000
#define TIMER_MICROSECONDS_MAX 3600000000

typedef struct sockaddr_storage Address;

/* connect(2) and the rest are called by the name in the errors, so the two cannot disagree. */
#define CHECK(env, name, expression)                       \
  do {                                                     \
    if ((expression) < 0) return throw_errno(env, name, errno); \
  } while (0)

static bool address_argument(Arguments *arguments, size_t index, Bytes *out) {
  if (!bytes_argument(arguments, index, "address", out)) return false;
  if (out->length >= sizeof(sa_family_t) && out->length <= sizeof(Address)) return true;
  throw_range(arguments, "argument 'address' is shorter than a family or longer than sockaddr_storage");
  return false;
}

static napi_value call_socket(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int domain, type, protocol;
  if (!read_arguments(&arguments, env, info, "socket", 3, 3) || !int_argument(&arguments, 0, "domain", &domain) ||
      !int_argument(&arguments, 1, "type", &type) || !int_argument(&arguments, 2, "protocol", &protocol)) {
    return NULL;
  }
  int fd = socket(domain, type | SOCK_CLOEXEC, protocol);
  CHECK(env, "socket", fd);
  return make_number(env, fd);
}

static napi_value call_bind(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  Bytes address;
  if (!read_arguments(&arguments, env, info, "bind", 2, 2) || !fd_argument(&arguments, 0, &fd) ||
      !address_argument(&arguments, 1, &address)) {
    return NULL;
  }
  CHECK(env, "bind", bind(fd, (struct sockaddr *)address.data, (socklen_t)address.length));
  return make_undefined(env);
}

static napi_value call_connect(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  Bytes address;
  if (!read_arguments(&arguments, env, info, "connect", 2, 2) || !fd_argument(&arguments, 0, &fd) ||
      !address_argument(&arguments, 1, &address)) {
    return NULL;
  }
  CHECK(env, "connect", connect(fd, (struct sockaddr *)address.data, (socklen_t)address.length));
  return make_undefined(env);
}

static napi_value call_listen(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd, backlog;
  if (!read_arguments(&arguments, env, info, "listen", 2, 2) || !fd_argument(&arguments, 0, &fd) ||
      !int_argument(&arguments, 1, "backlog", &backlog)) {
    return NULL;
  }
  CHECK(env, "listen", listen(fd, backlog));
  return make_undefined(env);
}

/* accept(fd, flags): the new descriptor, or -1 when nobody is waiting. */
static napi_value call_accept(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd, flags;
  if (!read_arguments(&arguments, env, info, "accept", 2, 2) || !fd_argument(&arguments, 0, &fd) ||
      !int_argument(&arguments, 1, "flags", &flags)) {
    return NULL;
  }
  int accepted = accept4(fd, NULL, NULL, flags | SOCK_CLOEXEC);
  if (accepted < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
    return throw_errno(env, "accept", errno);
  }
  return make_number(env, accepted);
}

static napi_value call_setsockopt(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd, level, option;
  Bytes value;
  if (!read_arguments(&arguments, env, info, "setsockopt", 4, 4) || !fd_argument(&arguments, 0, &fd) ||
      !int_argument(&arguments, 1, "level", &level) || !int_argument(&arguments, 2, "option", &option) ||
      !bytes_argument(&arguments, 3, "value", &value)) {
    return NULL;
  }
  if (value.length > OPTION_BYTES_MAX) return throw_range(&arguments, "argument 'value' has more than 65536 bytes");
  CHECK(env, "setsockopt", setsockopt(fd, level, option, value.data, (socklen_t)value.length));
  return make_undefined(env);
}

/* getsockopt(fd, level, option, value): `value` carries the question and takes the answer; gives its length. */
static napi_value call_getsockopt(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd, level, option;
  Bytes value;
  if (!read_arguments(&arguments, env, info, "getsockopt", 4, 4) || !fd_argument(&arguments, 0, &fd) ||
      !int_argument(&arguments, 1, "level", &level) || !int_argument(&arguments, 2, "option", &option) ||
      !bytes_argument(&arguments, 3, "value", &value)) {
    return NULL;
  }
  if (value.length > OPTION_BYTES_MAX) return throw_range(&arguments, "argument 'value' has more than 65536 bytes");
  socklen_t length = (socklen_t)value.length;
  CHECK(env, "getsockopt", getsockopt(fd, level, option, value.data, &length));
  return make_number(env, length);
}

static napi_value give_address(napi_env env, napi_callback_info info, const char *call,
                               int (*ask)(int, struct sockaddr *, socklen_t *)) {
  Arguments arguments;
  int fd;
  if (!read_arguments(&arguments, env, info, call, 1, 1) || !fd_argument(&arguments, 0, &fd)) return NULL;
  Address address;
  socklen_t length = sizeof address;
  CHECK(env, call, ask(fd, (struct sockaddr *)&address, &length));
  return make_bytes(env, &address, length < sizeof address ? length : sizeof address);
}

/* The C library declares these with a union of pointers, so each gets a plain face. */
static int ask_own(int fd, struct sockaddr *address, socklen_t *length) { return getsockname(fd, address, length); }
static int ask_peer(int fd, struct sockaddr *address, socklen_t *length) { return getpeername(fd, address, length); }

static napi_value call_getsockname(napi_env env, napi_callback_info info) {
  return give_address(env, info, "getsockname", ask_own);
}

static napi_value call_getpeername(napi_env env, napi_callback_info info) {
  return give_address(env, info, "getpeername", ask_peer);
}

/* send(fd, bytes, flags, address?): how many bytes the kernel took. */
static napi_value call_send(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd, flags;
  Bytes bytes, address = {NULL, 0};
  if (!read_arguments(&arguments, env, info, "send", 3, 4) || !fd_argument(&arguments, 0, &fd) ||
      !bytes_argument(&arguments, 1, "bytes", &bytes) || !int_argument(&arguments, 2, "flags", &flags) ||
      (is_given(&arguments, 3) && !address_argument(&arguments, 3, &address))) {
    return NULL;
  }
  ssize_t sent = sendto(fd, bytes.data, bytes.length, flags | MSG_NOSIGNAL, (struct sockaddr *)address.data,
                        (socklen_t)address.length);
  CHECK(env, "send", sent);
  return make_number(env, (double)sent);
}

/*
 * receive(fd, bytes, flags, address?, control?, lengths?): the length received, or -1 when there is nothing yet.
 * `lengths` takes the address's length, the control data's length and the message's flags.
 */
static napi_value call_receive(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd, flags;
  Bytes bytes, address = {NULL, 0}, control = {NULL, 0};
  Words lengths = {NULL, 0};
  if (!read_arguments(&arguments, env, info, "receive", 3, 6) || !fd_argument(&arguments, 0, &fd) ||
      !bytes_argument(&arguments, 1, "bytes", &bytes) || !int_argument(&arguments, 2, "flags", &flags) ||
      (is_given(&arguments, 3) && !bytes_argument(&arguments, 3, "address", &address)) ||
      (is_given(&arguments, 4) && !bytes_argument(&arguments, 4, "control", &control)) ||
      (is_given(&arguments, 5) && !words_argument(&arguments, 5, "lengths", &lengths))) {
    return NULL;
  }
  struct iovec vector = {bytes.data, bytes.length};
  struct msghdr message = {.msg_name = address.data,
                           .msg_namelen = (socklen_t)address.length,
                           .msg_iov = &vector,
                           .msg_iovlen = 1,
                           .msg_control = control.data,
                           .msg_controllen = control.length};
  ssize_t received = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
  if (received < 0 && errno != EAGAIN) return throw_errno(env, "receive", errno);
  if (received >= 0) {
    const int32_t values[] = {(int32_t)message.msg_namelen, (int32_t)message.msg_controllen,
                              message.msg_flags & ~MSG_CMSG_CLOEXEC};
    for (size_t index = 0; index < lengths.length && index < 3; index++) lengths.data[index] = values[index];
  }
  return make_number(env, (double)received);
}

static int64_t monotonic_milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* poll(fd, events, milliseconds): the events that are there, 0 after the time; the whole process waits. */
static napi_value call_poll(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  int64_t events, timeout;
  if (!read_arguments(&arguments, env, info, "poll", 3, 3) || !fd_argument(&arguments, 0, &fd) ||
      !integer_argument(&arguments, 1, "events", 0, INT16_MAX, &events) ||
      !integer_argument(&arguments, 2, "milliseconds", 0, POLL_MILLISECONDS_MAX, &timeout)) {
    return NULL;
  }
  struct pollfd entry = {.fd = fd, .events = (short)events};
  const int64_t end = monotonic_milliseconds() + timeout;
  int64_t rest = timeout;
  int ready;
  while ((ready = poll(&entry, 1, (int)rest)) < 0 && errno == EINTR) {
    rest = end - monotonic_milliseconds();
    if (rest < 0) rest = 0;
  }
  CHECK(env, "poll", ready);
  if (entry.revents & POLLNVAL) return throw_errno(env, "poll", EBADF);
  return make_number(env, entry.revents);
}

/* timer(): a descriptor that becomes readable when the time that setTimer() gives it is over (timerfd_create(2)). */
static napi_value call_timer(napi_env env, napi_callback_info info) {
  Arguments arguments;
  if (!read_arguments(&arguments, env, info, "timer", 0, 0)) return NULL;
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  CHECK(env, "timer", fd);
  return make_number(env, fd);
}

/* setTimer(fd, microseconds): from now, once; 0 stops it. Either way it is not readable until then. */
static napi_value call_set_timer(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  int64_t microseconds;
  if (!read_arguments(&arguments, env, info, "setTimer", 2, 2) || !fd_argument(&arguments, 0, &fd) ||
      !integer_argument(&arguments, 1, "microseconds", 0, TIMER_MICROSECONDS_MAX, &microseconds)) {
    return NULL;
  }
  struct itimerspec time = {
      .it_value = {.tv_sec = microseconds / 1000000, .tv_nsec = microseconds % 1000000 * 1000}};
  CHECK(env, "setTimer", timerfd_settime(fd, 0, &time, NULL));
  return make_undefined(env);
}

static napi_value call_dup(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  if (!read_arguments(&arguments, env, info, "dup", 1, 1) || !fd_argument(&arguments, 0, &fd)) return NULL;
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  CHECK(env, "dup", copy);
  return make_number(env, copy);
}

static napi_value call_close(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  if (!read_arguments(&arguments, env, info, "close", 1, 1) || !fd_argument(&arguments, 0, &fd)) return NULL;
  /* After EINTR Linux has closed the descriptor; closing again could hit somebody else's. */
  if (close(fd) < 0 && errno != EINTR) return throw_errno(env, "close", errno);
  return make_undefined(env);
}

static napi_value call_interface_index(napi_env env, napi_callback_info info) {
  Arguments arguments;
  char name[IF_NAMESIZE];
  if (!read_arguments(&arguments, env, info, "interfaceIndex", 1, 1) ||
      !text_argument(&arguments, 0, "name", name, sizeof name)) {
    return NULL;
  }
  unsigned index = if_nametoindex(name);
  if (index == 0) return throw_errno(env, "interfaceIndex", errno);
  return make_number(env, index);
}

const Function socket_functions[] = {{"socket", call_socket},
                                     {"bind", call_bind},
                                     {"connect", call_connect},
                                     {"listen", call_listen},
                                     {"accept", call_accept},
                                     {"setsockopt", call_setsockopt},
                                     {"getsockopt", call_getsockopt},
                                     {"getsockname", call_getsockname},
                                     {"getpeername", call_getpeername},
                                     {"send", call_send},
                                     {"receive", call_receive},
                                     {"poll", call_poll},
                                     {"timer", call_timer},
                                     {"setTimer", call_set_timer},
                                     {"dup", call_dup},
                                     {"close", call_close},
                                     {"interfaceIndex", call_interface_index},
                                     {NULL, NULL}};
