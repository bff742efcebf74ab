/*
 * A ring buffer that programs of the kernel write events into (BPF_MAP_TYPE_RINGBUF). It is read here and not in
 * JavaScript because most of it may only be read: one write through a view would end the process.
 */
#include "metanet.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rings have whole pages and a power of two; this bounds what is mapped. */
#define EVENTS_BYTES_MAX (1 << 28)
#define HEADER_BYTES 8

typedef struct {
  uint64_t *consumed;       /* the page we write: how far we have read */
  const uint64_t *produced; /* the page the kernel writes: how far it has written; the data, twice, is behind it */
  const uint8_t *data;
  size_t bytes;
  size_t page_bytes;
} Events;

static const napi_type_tag events_tag = {0x6d65746165766e74, 0x51d27be6c09af318};

static void unmap(Events *events) {
  if (events->consumed == NULL) return;
  munmap(events->consumed, events->page_bytes);
  munmap((void *)events->produced, events->page_bytes + 2 * events->bytes);
  events->consumed = NULL;
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  unmap(data);
  free(data);
}

/* Bytes of the ring that `fd` is, or -errno: nothing else is mapped, as a file could shrink under us. */
static int64_t ring_bytes(int fd) {
  struct bpf_map_info description = {0};
  union bpf_attr attribute = {0};
  attribute.info.bpf_fd = (uint32_t)fd;
  attribute.info.info_len = sizeof description;
  attribute.info.info = (uint64_t)(uintptr_t)&description;
  /* A program or a link fills the same memory with other things: only a map has a ring's type and a size. */
  if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attribute, sizeof attribute) < 0) {
    return errno == EBADFD ? -EBADF : -errno;
  }
  if (description.type != BPF_MAP_TYPE_RINGBUF || description.key_size != 0 || description.value_size != 0) {
    return -EINVAL;
  }
  return description.max_entries > EVENTS_BYTES_MAX ? -EFBIG : (int64_t)description.max_entries;
}

static int map(Events *events, int fd) {
  events->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
  void *consumed = mmap(NULL, events->page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (consumed == MAP_FAILED) return -errno;
  void *produced = mmap(NULL, events->page_bytes + 2 * events->bytes, PROT_READ, MAP_SHARED, fd,
                        (off_t)events->page_bytes);
  if (produced == MAP_FAILED) {
    const int number = errno;
    munmap(consumed, events->page_bytes);
    return -number;
  }
  events->consumed = consumed;
  events->produced = produced;
  events->data = (const uint8_t *)produced + events->page_bytes;
  return 0;
}

/* openEvents(fd): the ring's own memory; the descriptor may be closed afterwards. */
static napi_value call_open_events(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  if (!read_arguments(&arguments, env, info, "openEvents", 1, 1) || !fd_argument(&arguments, 0, &fd)) return NULL;
  int64_t bytes = ring_bytes(fd);
  if (bytes < 0) return throw_errno(env, "openEvents", (int)-bytes);
  Events *events = calloc(1, sizeof *events);
  if (events == NULL) return throw_errno(env, "openEvents", ENOMEM);
  events->bytes = (size_t)bytes;
  int result = map(events, fd);
  napi_value object;
  if (result == 0 && (napi_create_object(env, &object) != napi_ok ||
                      napi_type_tag_object(env, object, &events_tag) != napi_ok ||
                      napi_wrap(env, object, events, on_collected, NULL, NULL) != napi_ok)) {
    unmap(events);
    result = -ENOMEM;
  }
  if (result == 0) return object;
  free(events);
  return throw_errno(env, "openEvents", -result);
}

static bool events_argument(Arguments *arguments, size_t index, Events **out) {
  bool is_events = false;
  napi_valuetype type;
  napi_value value = arguments->values[index];
  if (index < arguments->count && napi_typeof(arguments->env, value, &type) == napi_ok && type == napi_object &&
      napi_check_object_type_tag(arguments->env, value, &events_tag, &is_events) == napi_ok && is_events &&
      napi_unwrap(arguments->env, value, (void **)out) == napi_ok) {
    return true;
  }
  napi_throw_type_error(arguments->env, "ERR_INVALID_ARG_TYPE", "Cannot use events: the argument is no ring of them");
  return false;
}

/* Copies events from `position` on; where it stopped. `out` gets offset and length of each, `count` how many. */
static uint64_t copy_events(const Events *events, uint64_t position, const Bytes *slab, const Words *table,
                            size_t *count) {
  const uint64_t end = __atomic_load_n(events->produced, __ATOMIC_ACQUIRE);
  size_t used = 0;
  while (position < end && *count < table->length / 2) {
    const uint8_t *record = events->data + (position & (events->bytes - 1));
    const uint32_t header = __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);
    if (header & BPF_RINGBUF_BUSY_BIT) break; /* reserved, and not written yet */
    const size_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    if (length > events->bytes - HEADER_BYTES) break;
    if (!(header & BPF_RINGBUF_DISCARD_BIT)) {
      if (length > slab->length - used) {
        if (used > 0) break;
        /* Longer than the whole slab: told by its length alone. */
        table->data[0] = -1;
        table->data[1] = (int32_t)length;
      } else {
        memcpy(slab->data + used, record + HEADER_BYTES, length);
        table->data[2 * *count] = (int32_t)used;
        table->data[2 * *count + 1] = (int32_t)length;
        used += length;
      }
      ++*count;
    }
    position += (length + HEADER_BYTES + 7) / 8 * 8;
    if (*count > 0 && table->data[0] == -1) break;
  }
  return position;
}

/*
 * readEvents(events, slab, table): takes what waits out of the ring, as much as slab and table hold. Rows of the table
 * are offset and length in the slab; an event longer than the slab is lost, alone in the answer, with offset -1.
 */
static napi_value call_read_events(napi_env env, napi_callback_info info) {
  Arguments arguments;
  Events *events;
  Bytes slab;
  Words table;
  if (!read_arguments(&arguments, env, info, "readEvents", 3, 3) || !events_argument(&arguments, 0, &events) ||
      !bytes_argument(&arguments, 1, "slab", &slab) || !words_argument(&arguments, 2, "table", &table)) {
    return NULL;
  }
  if (table.length < 2) return throw_range(&arguments, "argument 'table' has no room for a row");
  if (events->consumed == NULL) return make_number(env, 0);
  size_t count = 0;
  table.data[0] = 0;
  const uint64_t position = copy_events(events, *events->consumed, &slab, &table, &count);
  __atomic_store_n(events->consumed, position, __ATOMIC_RELEASE);
  return make_number(env, (double)count);
}

/* closeEvents(events): there is nothing in it any more. Harmless twice. */
static napi_value call_close_events(napi_env env, napi_callback_info info) {
  Arguments arguments;
  Events *events;
  if (!read_arguments(&arguments, env, info, "closeEvents", 1, 1) || !events_argument(&arguments, 0, &events)) {
    return NULL;
  }
  unmap(events);
  return make_undefined(env);
}

const Function events_functions[] = {{"openEvents", call_open_events},
                                     {"readEvents", call_read_events},
                                     {"closeEvents", call_close_events},
                                     {NULL, NULL}};
