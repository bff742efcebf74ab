/*
 * bpf(2): programs and maps of the kernel. Attributes are made in TypeScript; where addresses stand in them is told
 * here, so that none comes from JavaScript, and what they point to is copied into memory that ends at a page which
 * nobody may touch: the kernel, which takes the lengths from the attributes or from a map, faults (EFAULT) instead of
 * reading or writing beyond a buffer. And clocks that programs of the kernel read, and JavaScript cannot.
 */
#include "metanet.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ATTRIBUTE_BYTES_MAX 256
#define BUFFER_COUNT_MAX 5
/* What is longer gets memory of its own for the call. */
#define SLOT_BYTES (64 * 1024)
#define BUFFER_BYTES_MAX (64 * 1024 * 1024)

typedef enum { TAKEN = 1, FILLED = 2, BOTH = 3 } Direction;

/* Where the addresses are in a command's attributes, in the order of its buffers; `bpf_attr` of linux/bpf.h. */
typedef struct {
  int number;
  struct {
    uint8_t offset;
    uint8_t direction;
  } buffers[BUFFER_COUNT_MAX];
} Command;

/* An offset of 0 without a direction ends a row. */
static const Command commands[] = {
    {0 /* MAP_CREATE */, {{0, 0}}},
    {1 /* MAP_LOOKUP_ELEM */, {{8, TAKEN}, {16, FILLED}}},
    {2 /* MAP_UPDATE_ELEM */, {{8, TAKEN}, {16, TAKEN}}},
    {3 /* MAP_DELETE_ELEM */, {{8, TAKEN}}},
    {4 /* MAP_GET_NEXT_KEY */, {{8, TAKEN}, {16, FILLED}}},
    {5 /* PROG_LOAD */, {{8, TAKEN}, {16, TAKEN}, {32, FILLED}, {80, TAKEN}, {96, TAKEN}}},
    {6 /* OBJ_PIN */, {{0, TAKEN}}},
    {7 /* OBJ_GET */, {{0, TAKEN}}},
    {10 /* PROG_TEST_RUN */, {{16, TAKEN}, {24, FILLED}, {48, TAKEN}, {56, FILLED}}},
    /* What it is given would be addresses again. */
    {15 /* OBJ_GET_INFO_BY_FD */, {{8, FILLED}}},
    {18 /* BTF_LOAD */, {{0, TAKEN}, {8, FILLED}}},
    {22 /* MAP_FREEZE */, {{0, 0}}},
    {24 /* MAP_LOOKUP_BATCH */, {{0, TAKEN}, {8, FILLED}, {16, FILLED}, {24, FILLED}}},
    {28 /* LINK_CREATE */, {{0, 0}}},
    {29 /* LINK_UPDATE */, {{0, 0}}},
    {34 /* LINK_DETACH */, {{0, 0}}},
};

/* Memory that ends where `bytes` + `length` is: the page behind it cannot be touched. */
typedef struct {
  uint8_t *memory;
  size_t mapped; /* 0 when it is a slot of the thread's */
  uint8_t *bytes;
  size_t length;
} Guarded;

/* The thread's slots, each with a page behind it; given back when the thread ends. */
static _Thread_local uint8_t *slots;
static size_t page_bytes;

static void on_thread_ends(void *memory) {
  munmap(memory, BUFFER_COUNT_MAX * (SLOT_BYTES + page_bytes));
  slots = NULL;
}

static uint8_t *map_guarded(size_t count, size_t bytes) {
  const size_t whole = count * (bytes + page_bytes);
  uint8_t *memory = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return NULL;
  for (size_t index = 0; index < count; index++) {
    if (mprotect(memory + index * (bytes + page_bytes) + bytes, page_bytes, PROT_NONE) < 0) {
      munmap(memory, whole);
      return NULL;
    }
  }
  return memory;
}

static bool make_slots(napi_env env) {
  if (slots != NULL) return true;
  page_bytes = (size_t)sysconf(_SC_PAGESIZE);
  uint8_t *memory = map_guarded(BUFFER_COUNT_MAX, SLOT_BYTES);
  if (memory == NULL) return false;
  if (napi_add_env_cleanup_hook(env, on_thread_ends, memory) != napi_ok) {
    munmap(memory, BUFFER_COUNT_MAX * (SLOT_BYTES + page_bytes));
    return false;
  }
  slots = memory;
  return true;
}

static bool guard(Guarded *guarded, size_t index, const Bytes *bytes, Direction direction) {
  guarded->length = bytes->length;
  guarded->mapped = 0;
  size_t room = SLOT_BYTES;
  guarded->memory = slots + index * (SLOT_BYTES + page_bytes);
  if (bytes->length > SLOT_BYTES) {
    room = (bytes->length + page_bytes - 1) / page_bytes * page_bytes;
    guarded->memory = map_guarded(1, room);
    guarded->mapped = room + page_bytes;
    if (guarded->memory == NULL) return false;
  }
  guarded->bytes = guarded->memory + room - bytes->length;
  if (bytes->length == 0) return true;
  if (direction & TAKEN) memcpy(guarded->bytes, bytes->data, bytes->length);
  else if (guarded->mapped == 0) memset(guarded->bytes, 0, bytes->length);
  return true;
}

static void give_back(Guarded *guarded) {
  if (guarded->mapped > 0) munmap(guarded->memory, guarded->mapped);
}

static const Command *find_command(int64_t number) {
  for (size_t index = 0; index < sizeof commands / sizeof *commands; index++) {
    if (commands[index].number == number) return &commands[index];
  }
  return NULL;
}

static size_t buffer_count(const Command *command) {
  size_t count = 0;
  while (count < BUFFER_COUNT_MAX && command->buffers[count].direction != 0) count++;
  return count;
}

/* The call itself: -errno, or what the kernel returned. Attributes and buffers that it fills are changed. */
static long run(const Command *command, Bytes *attribute, Bytes *buffers, size_t count) {
  uint64_t copy[ATTRIBUTE_BYTES_MAX / 8] = {0};
  Guarded guarded[BUFFER_COUNT_MAX];
  size_t made = 0;
  long result = -ENOMEM;
  memcpy(copy, attribute->data, attribute->length);
  for (; made < count; made++) {
    if (!guard(&guarded[made], made, &buffers[made], command->buffers[made].direction)) goto out;
    copy[command->buffers[made].offset / 8] =
        buffers[made].data == NULL ? 0 : (uint64_t)(uintptr_t)guarded[made].bytes;
  }
  result = syscall(SYS_bpf, command->number, copy, attribute->length);
  if (result < 0) result = -errno;
  for (size_t index = 0; index < count; index++) {
    copy[command->buffers[index].offset / 8] = 0;
    if (command->buffers[index].direction & FILLED && guarded[index].length > 0) {
      memcpy(buffers[index].data, guarded[index].bytes, guarded[index].length);
    }
  }
  memcpy(attribute->data, copy, attribute->length);
out:
  for (size_t index = 0; index < made; index++) give_back(&guarded[index]);
  return result;
}

/*
 * bpf(command, attribute, ...buffers): the command's buffers in the order of the table above, `undefined` or left out
 * for an address of 0. What the kernel returned, or -errno.
 */
static napi_value call_bpf(napi_env env, napi_callback_info info) {
  Arguments arguments;
  Bytes attribute, buffers[BUFFER_COUNT_MAX] = {{NULL, 0}};
  int64_t number;
  if (!read_arguments(&arguments, env, info, "bpf", 2, 2 + BUFFER_COUNT_MAX) ||
      !integer_argument(&arguments, 0, "command", 0, INT32_MAX, &number)) {
    return NULL;
  }
  const Command *command = find_command(number);
  if (command == NULL) return throw_range(&arguments, "argument 'command' is none that is made here");
  if (!bytes_argument(&arguments, 1, "attribute", &attribute)) return NULL;
  const size_t count = buffer_count(command);
  if (arguments.count > 2 + count) return throw_range(&arguments, "there are more buffers than the command has");
  if (attribute.length == 0 || attribute.length > ATTRIBUTE_BYTES_MAX || attribute.length % 4 != 0) {
    return throw_range(&arguments, "argument 'attribute' has not 4 to 256 bytes, by fours");
  }
  for (size_t index = 0; index < count; index++) {
    if (!is_given(&arguments, 2 + index)) continue;
    if (!bytes_argument(&arguments, 2 + index, "buffer", &buffers[index])) return NULL;
    if (buffers[index].length > BUFFER_BYTES_MAX) return throw_range(&arguments, "a buffer is over 64 MiB");
  }
  for (size_t index = 0; index < count; index++) {
    if (command->buffers[index].offset + 8u > attribute.length) {
      return throw_range(&arguments, "argument 'attribute' ends before its addresses");
    }
  }
  if (!make_slots(env)) return make_number(env, -ENOMEM);
  return make_number(env, (double)run(command, &attribute, buffers, count));
}

/* clockSeconds(clock): clock_gettime(2), exact to less than a microsecond. */
static napi_value call_clock_seconds(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int64_t clock;
  struct timespec time;
  if (!read_arguments(&arguments, env, info, "clockSeconds", 1, 1) ||
      !integer_argument(&arguments, 0, "clock", 0, 15, &clock)) {
    return NULL;
  }
  if (clock_gettime((clockid_t)clock, &time) < 0) return throw_errno(env, "clockSeconds", errno);
  return make_number(env, (double)time.tv_sec + (double)time.tv_nsec / 1e9);
}

const Function bpf_functions[] = {{"bpf", call_bpf}, {"clockSeconds", call_clock_seconds}, {NULL, NULL}};
