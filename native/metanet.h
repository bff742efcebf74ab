/*
 * MetaNet's addon: mechanism only. Every function is a system call or a batch of one kind of it, with checked
 * arguments; what the bytes mean is TypeScript's business. Typed for TypeScript in src/linux/native.ts.
 */
#ifndef METANET_H
#define METANET_H

#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

/* The arguments of one call from JavaScript. `call` names the function in every error. */
typedef struct {
  napi_env env;
  const char *call;
  size_t count;
  napi_value values[8];
} Arguments;

/* A view into memory that JavaScript owns: good until the next call that can run JavaScript. */
typedef struct {
  uint8_t *data;
  size_t length;
} Bytes;

typedef struct {
  int32_t *data;
  size_t length;
} Words;

/* Each of these is false after it has thrown; the caller then returns NULL at once. */
bool read_arguments(Arguments *arguments, napi_env env, napi_callback_info info, const char *call, size_t least,
                    size_t most);
bool integer_argument(Arguments *arguments, size_t index, const char *name, int64_t least, int64_t most,
                      int64_t *out);
bool int_argument(Arguments *arguments, size_t index, const char *name, int *out);
bool fd_argument(Arguments *arguments, size_t index, int *out);
bool bytes_argument(Arguments *arguments, size_t index, const char *name, Bytes *out);
bool words_argument(Arguments *arguments, size_t index, const char *name, Words *out);
bool text_argument(Arguments *arguments, size_t index, const char *name, char *out, size_t size);
bool function_argument(Arguments *arguments, size_t index, const char *name);
bool is_given(const Arguments *arguments, size_t index);

/* Throw, and return NULL for the caller to return. */
napi_value throw_errno(napi_env env, const char *syscall, int number);
napi_value throw_range(Arguments *arguments, const char *message);

napi_value make_number(napi_env env, double value);
napi_value make_bytes(napi_env env, const void *data, size_t length);
napi_value make_undefined(napi_env env);

/* One row of a file's table of functions, which ends with a row of NULLs. */
typedef struct {
  const char *name;
  napi_callback call;
} Function;

extern const Function socket_functions[];
extern const Function batch_functions[];
extern const Function watch_functions[];
extern const Function passing_functions[];
extern const Function privilege_functions[];
extern const Function ring_functions[];
extern const Function device_functions[];
extern const Function bpf_functions[];
extern const Function events_functions[];

#endif
