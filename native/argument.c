/* Arguments in, values and errors out: nothing here trusts what JavaScript passes. */
#include "metanet.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* From libuv, which Node exports and whose header node-api-headers lacks. */
extern char *uv_err_name_r(int err, char *buf, size_t buflen);

static bool refuse_type(Arguments *arguments, const char *name, const char *wanted) {
  char message[160];
  snprintf(message, sizeof message, "Cannot %s: argument '%s' is not %s", arguments->call, name, wanted);
  napi_throw_type_error(arguments->env, "ERR_INVALID_ARG_TYPE", message);
  return false;
}

bool read_arguments(Arguments *arguments, napi_env env, napi_callback_info info, const char *call, size_t least,
                    size_t most) {
  arguments->env = env;
  arguments->call = call;
  arguments->count = most;
  if (napi_get_cb_info(env, info, &arguments->count, arguments->values, NULL, NULL) != napi_ok) return false;
  if (arguments->count >= least && arguments->count <= most) return true;
  char message[160];
  snprintf(message, sizeof message, "Cannot %s: %zu arguments, not %zu to %zu", call, arguments->count, least, most);
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return false;
}

bool is_given(const Arguments *arguments, size_t index) {
  napi_valuetype type;
  return index < arguments->count && napi_typeof(arguments->env, arguments->values[index], &type) == napi_ok &&
         type != napi_undefined;
}

bool integer_argument(Arguments *arguments, size_t index, const char *name, int64_t least, int64_t most,
                      int64_t *out) {
  double value;
  if (index >= arguments->count ||
      napi_get_value_double(arguments->env, arguments->values[index], &value) != napi_ok) {
    return refuse_type(arguments, name, "a number");
  }
  if (!isfinite(value) || value != trunc(value) || value < (double)least || value > (double)most) {
    char message[200];
    snprintf(message, sizeof message, "Cannot %s: argument '%s' is %g, not an integer in %lld..%lld",
             arguments->call, name, value, (long long)least, (long long)most);
    napi_throw_range_error(arguments->env, "ERR_OUT_OF_RANGE", message);
    return false;
  }
  *out = (int64_t)value;
  return true;
}

bool int_argument(Arguments *arguments, size_t index, const char *name, int *out) {
  int64_t value;
  if (!integer_argument(arguments, index, name, INT_MIN, INT_MAX, &value)) return false;
  *out = (int)value;
  return true;
}

bool fd_argument(Arguments *arguments, size_t index, int *out) {
  int64_t value;
  if (!integer_argument(arguments, index, "fd", 0, INT_MAX, &value)) return false;
  *out = (int)value;
  return true;
}

static bool array_argument(Arguments *arguments, size_t index, napi_typedarray_type wanted, void **data,
                           size_t *length) {
  bool is_array = false;
  napi_typedarray_type type;
  if (index >= arguments->count ||
      napi_is_typedarray(arguments->env, arguments->values[index], &is_array) != napi_ok || !is_array ||
      napi_get_typedarray_info(arguments->env, arguments->values[index], &type, length, data, NULL, NULL) !=
          napi_ok) {
    return false;
  }
  return type == wanted;
}

bool bytes_argument(Arguments *arguments, size_t index, const char *name, Bytes *out) {
  void *data = NULL;
  size_t length = 0;
  if (!array_argument(arguments, index, napi_uint8_array, &data, &length)) {
    return refuse_type(arguments, name, "a Uint8Array");
  }
  /* A detached buffer has no memory, whatever its length was. */
  *out = (Bytes){data, data == NULL ? 0 : length};
  return true;
}

bool words_argument(Arguments *arguments, size_t index, const char *name, Words *out) {
  void *data = NULL;
  size_t length = 0;
  if (!array_argument(arguments, index, napi_int32_array, &data, &length)) {
    return refuse_type(arguments, name, "an Int32Array");
  }
  *out = (Words){data, data == NULL ? 0 : length};
  return true;
}

bool text_argument(Arguments *arguments, size_t index, const char *name, char *out, size_t size) {
  size_t length = 0;
  if (index >= arguments->count ||
      napi_get_value_string_utf8(arguments->env, arguments->values[index], NULL, 0, &length) != napi_ok) {
    return refuse_type(arguments, name, "a string");
  }
  if (length == 0 || length >= size) {
    char message[160];
    snprintf(message, sizeof message, "Cannot %s: argument '%s' has %zu bytes, not 1..%zu", arguments->call, name,
             length, size - 1);
    napi_throw_range_error(arguments->env, "ERR_OUT_OF_RANGE", message);
    return false;
  }
  if (napi_get_value_string_utf8(arguments->env, arguments->values[index], out, size, &length) != napi_ok ||
      strlen(out) != length) {
    return refuse_type(arguments, name, "a string without NUL");
  }
  return true;
}

bool function_argument(Arguments *arguments, size_t index, const char *name) {
  napi_valuetype type;
  if (index >= arguments->count || napi_typeof(arguments->env, arguments->values[index], &type) != napi_ok ||
      type != napi_function) {
    return refuse_type(arguments, name, "a function");
  }
  return true;
}

napi_value throw_range(Arguments *arguments, const char *message) {
  char text[200];
  snprintf(text, sizeof text, "Cannot %s: %s", arguments->call, message);
  napi_throw_range_error(arguments->env, "ERR_OUT_OF_RANGE", text);
  return NULL;
}

napi_value throw_errno(napi_env env, const char *syscall, int number) {
  char code[64];
  char message[200];
  napi_value error, code_value, message_value, syscall_value;
  uv_err_name_r(-number, code, sizeof code);
  if (code[0] != 'E') snprintf(code, sizeof code, "E%d", number); /* libuv knows most names, not all */
  snprintf(message, sizeof message, "Cannot %s: %s (%s)", syscall, strerror(number), code);
  if (napi_create_string_utf8(env, code, NAPI_AUTO_LENGTH, &code_value) == napi_ok &&
      napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &message_value) == napi_ok &&
      napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &syscall_value) == napi_ok &&
      napi_create_error(env, code_value, message_value, &error) == napi_ok &&
      napi_set_named_property(env, error, "errno", make_number(env, -number)) == napi_ok &&
      napi_set_named_property(env, error, "syscall", syscall_value) == napi_ok) {
    napi_throw(env, error);
  }
  return NULL;
}

napi_value make_number(napi_env env, double value) {
  napi_value result = NULL;
  napi_create_double(env, value, &result);
  return result;
}

napi_value make_undefined(napi_env env) {
  napi_value result = NULL;
  napi_get_undefined(env, &result);
  return result;
}

napi_value make_bytes(napi_env env, const void *data, size_t length) {
  void *copy = NULL;
  napi_value buffer, result;
  if (napi_create_arraybuffer(env, length, &copy, &buffer) != napi_ok ||
      napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, &result) != napi_ok) {
    return NULL;
  }
  if (length > 0) memcpy(copy, data, length);
  return result;
}
