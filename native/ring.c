/*
 * A packet socket's ring (packet(7), PACKET_RX_RING) as memory of JavaScript, and the filter in front of it. The
 * mapping owns the socket's descriptor, as either of the two would keep the socket alive: unmapRing() ends both at
 * once; without that they end when the buffer is collected, or with its thread.
 */
#include "metanet.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define RING_BYTES_MAX (1 << 30)

typedef struct {
  void *address;
  size_t length;
  int fd;
  int owner_count; /* the ArrayBuffer as an object, and the memory behind it; freed when neither is left */
} Mapping;

static const napi_type_tag mapping_tag = {0x6d65746172696e67, 0x3b90c1d85fe24a76};

static void close_descriptor(Mapping *mapping) {
  if (mapping->fd >= 0) close(mapping->fd);
  mapping->fd = -1;
}

static void unmap(Mapping *mapping) {
  if (mapping->address == NULL) return;
  munmap(mapping->address, mapping->length);
  mapping->address = NULL;
}

static void release(Mapping *mapping) {
  if (--mapping->owner_count == 0) free(mapping);
}

/* Nobody can see the memory any more: its buffer was collected or detached, or its thread ends. */
static void on_memory_freed(napi_env env, void *data, void *hint) {
  (void)env;
  (void)data;
  unmap(hint);
  close_descriptor(hint);
  release(hint);
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  release(data);
}

/*
 * mapRing(fd, lengthBytes): the ring that was asked for with PACKET_RX_RING, as an ArrayBuffer, which owns the
 * descriptor from now on; the caller keeps it when this throws.
 */
static napi_value call_map_ring(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  int64_t length;
  if (!read_arguments(&arguments, env, info, "mapRing", 2, 2) || !fd_argument(&arguments, 0, &fd) ||
      !integer_argument(&arguments, 1, "lengthBytes", 1, RING_BYTES_MAX, &length)) {
    return NULL;
  }
  /* A file could shrink under its mapping, which kills the process. */
  struct stat status;
  if (fstat(fd, &status) < 0) return throw_errno(env, "mapRing", errno);
  if (!S_ISSOCK(status.st_mode)) return throw_errno(env, "mapRing", ENOTSOCK);
  Mapping *mapping = calloc(1, sizeof *mapping);
  if (mapping == NULL) return throw_errno(env, "mapRing", ENOMEM);
  mapping->length = (size_t)length;
  mapping->fd = -1;
  mapping->address = mmap(NULL, mapping->length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapping->address == MAP_FAILED) {
    free(mapping);
    return throw_errno(env, "mapRing", errno);
  }
  napi_value buffer;
  mapping->owner_count = 1;
  if (napi_create_external_arraybuffer(env, mapping->address, mapping->length, on_memory_freed, mapping, &buffer) !=
      napi_ok) {
    unmap(mapping);
    free(mapping);
    return throw_errno(env, "mapRing", ENOTSUP);
  }
  if (napi_type_tag_object(env, buffer, &mapping_tag) != napi_ok ||
      napi_wrap(env, buffer, mapping, on_collected, NULL, NULL) != napi_ok) {
    return throw_errno(env, "mapRing", ENOMEM);
  }
  mapping->owner_count++;
  mapping->fd = fd;
  return buffer;
}

/* unmapRing(buffer): its views have length 0 from now on. Harmless twice. */
static napi_value call_unmap_ring(napi_env env, napi_callback_info info) {
  Arguments arguments;
  if (!read_arguments(&arguments, env, info, "unmapRing", 1, 1)) return NULL;
  bool is_ring = false;
  napi_valuetype type;
  Mapping *mapping;
  napi_value buffer = arguments.values[0];
  if (napi_typeof(env, buffer, &type) != napi_ok || type != napi_object ||
      napi_check_object_type_tag(env, buffer, &mapping_tag, &is_ring) != napi_ok || !is_ring ||
      napi_unwrap(env, buffer, (void **)&mapping) != napi_ok) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "Cannot unmapRing: the argument is not a ring");
    return NULL;
  }
  void *data = NULL;
  size_t length = 0;
  close_descriptor(mapping);
  /* transfer() gives the memory to another ArrayBuffer: then it lives as long as that one. */
  if (mapping->address == NULL || napi_get_arraybuffer_info(env, buffer, &data, &length) != napi_ok ||
      data != mapping->address || napi_detach_arraybuffer(env, buffer) != napi_ok) {
    return make_undefined(env);
  }
  unmap(mapping);
  return make_undefined(env);
}

/* attachFilter(fd, instructions): a classic BPF program, struct sock_filter after struct sock_filter. */
static napi_value call_attach_filter(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  Bytes bytes;
  if (!read_arguments(&arguments, env, info, "attachFilter", 2, 2) || !fd_argument(&arguments, 0, &fd) ||
      !bytes_argument(&arguments, 1, "instructions", &bytes)) {
    return NULL;
  }
  struct sock_filter instructions[BPF_MAXINSNS];
  if (bytes.length == 0 || bytes.length > sizeof instructions || bytes.length % sizeof *instructions != 0) {
    return throw_range(&arguments, "argument 'instructions' is not 1 to 4096 times 8 bytes");
  }
  memcpy(instructions, bytes.data, bytes.length);
  struct sock_fprog program = {(unsigned short)(bytes.length / sizeof *instructions), instructions};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0) {
    return throw_errno(env, "attachFilter", errno);
  }
  return make_undefined(env);
}

const Function ring_functions[] = {{"mapRing", call_map_ring},
                                   {"unmapRing", call_unmap_ring},
                                   {"attachFilter", call_attach_filter},
                                   {NULL, NULL}};
