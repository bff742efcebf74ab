/*
 * Readiness of a descriptor on the event loop, one call into JavaScript per wake-up. A watch polls its own
 * duplicate of the descriptor, so that closing the original at any moment harms nothing (libuv aborts when a
 * descriptor it polls has gone). While open it keeps itself and its callback from being collected.
 */
#include "metanet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* libuv, which Node exports and whose header node-api-headers lacks; all stable since libuv 1.19. */
typedef struct uv_poll_s uv_poll_t;
typedef struct uv_handle_s uv_handle_t;
enum { UV_POLL = 8, UV_READABLE = 1, UV_WRITABLE = 2 };
extern size_t uv_handle_size(int type);
extern const char *uv_handle_type_name(int type);
extern int uv_poll_init(struct uv_loop_s *loop, uv_poll_t *handle, int fd);
extern int uv_poll_start(uv_poll_t *handle, int events, void (*callback)(uv_poll_t *, int status, int events));
extern int uv_poll_stop(uv_poll_t *handle);
extern void uv_close(uv_handle_t *handle, void (*callback)(uv_handle_t *));
extern void uv_ref(uv_handle_t *handle);
extern void uv_unref(uv_handle_t *handle);
extern void *uv_handle_get_data(const uv_handle_t *handle);
extern void uv_handle_set_data(uv_handle_t *handle, void *data);

/* Errors in a row after which a watch pauses itself, so that a broken descriptor does not keep a core busy. */
#define ERROR_COUNT_MAX 16

typedef struct {
  napi_env env;
  uv_poll_t *poll;
  int fd; /* our duplicate */
  int events;
  int error_count;
  bool closing;
  int owner_count; /* the JavaScript object and the open libuv handle; freed when neither is left */
  napi_ref self;
  napi_ref callback;
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
} Watch;

static const napi_type_tag watch_tag = {0x6d65746157617463, 0x8c1f5be20d4a4d17};

static void release(Watch *watch) {
  if (--watch->owner_count > 0) return;
  free(watch->poll);
  free(watch);
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  release(data);
}

static void on_closed(uv_handle_t *handle) {
  Watch *watch = uv_handle_get_data(handle);
  if (watch->hook != NULL) napi_remove_async_cleanup_hook(watch->hook);
  release(watch);
}

static void close_watch(Watch *watch) {
  if (watch->closing) return;
  watch->closing = true;
  uv_poll_stop(watch->poll);
  close(watch->fd);
  uv_close((uv_handle_t *)watch->poll, on_closed);
  napi_async_destroy(watch->env, watch->context);
  napi_delete_reference(watch->env, watch->callback);
  napi_delete_reference(watch->env, watch->self);
}

/* The environment (the process or a worker) ends: it waits until on_closed removes the hook. */
static void on_environment_ends(napi_async_cleanup_hook_handle hook, void *data) {
  Watch *watch = data;
  watch->hook = hook;
  close_watch(watch);
}

static int pending_error(int fd, int otherwise) {
  int number = 0;
  socklen_t length = sizeof number;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &length) == 0 && number != 0 ? number : otherwise;
}

/* Calls callback(events), or callback(-errno); an exception from it is the process's uncaught exception. */
static void call_back(Watch *watch, int value) {
  napi_env env = watch->env;
  napi_handle_scope scope;
  napi_value self, callback, argument = NULL;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  argument = make_number(env, value);
  if (argument != NULL && napi_get_reference_value(env, watch->self, &self) == napi_ok &&
      napi_get_reference_value(env, watch->callback, &callback) == napi_ok && self != NULL && callback != NULL) {
    napi_status called = napi_make_callback(env, watch->context, self, callback, 1, &argument, NULL);
    napi_value error;
    if (called == napi_pending_exception && napi_get_and_clear_last_exception(env, &error) == napi_ok) {
      napi_fatal_exception(env, error);
    }
  }
  napi_close_handle_scope(env, scope);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  Watch *watch = uv_handle_get_data((uv_handle_t *)poll);
  if (watch->closing) return;
  if (status >= 0) {
    watch->error_count = 0;
    call_back(watch, events);
    return;
  }
  /* libuv has stopped polling because of POLLERR, which a socket may outlive: ICMP errors, interfaces down. */
  const bool goes_on = ++watch->error_count < ERROR_COUNT_MAX;
  if (goes_on) uv_poll_start(watch->poll, watch->events, on_ready);
  call_back(watch, -pending_error(watch->fd, EIO));
}

static bool watch_argument(Arguments *arguments, size_t index, Watch **out) {
  bool is_watch = false;
  napi_valuetype type;
  if (index < arguments->count && napi_typeof(arguments->env, arguments->values[index], &type) == napi_ok &&
      type == napi_object &&
      napi_check_object_type_tag(arguments->env, arguments->values[index], &watch_tag, &is_watch) == napi_ok &&
      is_watch && napi_unwrap(arguments->env, arguments->values[index], (void **)out) == napi_ok) {
    return true;
  }
  napi_throw_type_error(arguments->env, "ERR_INVALID_ARG_TYPE", "Cannot use a watch: the argument is not one");
  return false;
}

static napi_value fail(napi_env env, Watch *watch) {
  bool is_pending = false;
  napi_is_exception_pending(env, &is_pending);
  if (!is_pending) napi_throw_error(env, "ENOMEM", "Cannot watch: out of memory");
  close_watch(watch);
  return NULL;
}

/* The JavaScript side of a watch: the object, and the references that keep it while it is open. */
static bool make_object(Watch *watch, napi_value callback, napi_value *out) {
  napi_env env = watch->env;
  napi_value name;
  if (napi_create_object(env, out) != napi_ok || napi_type_tag_object(env, *out, &watch_tag) != napi_ok ||
      napi_wrap(env, *out, watch, on_collected, NULL, NULL) != napi_ok) {
    return false;
  }
  watch->owner_count++;
  return napi_create_reference(env, *out, 1, &watch->self) == napi_ok &&
         napi_create_reference(env, callback, 1, &watch->callback) == napi_ok &&
         napi_create_string_utf8(env, "metanet:watch", NAPI_AUTO_LENGTH, &name) == napi_ok &&
         napi_async_init(env, *out, name, &watch->context) == napi_ok &&
         napi_add_async_cleanup_hook(env, on_environment_ends, watch, &watch->hook) == napi_ok;
}

/* The libuv side: an initialised handle on our own duplicate; -errno when the descriptor cannot be polled. */
static int make_handle(Watch *watch, int fd) {
  struct uv_loop_s *loop = NULL;
  if (napi_get_uv_event_loop(watch->env, &loop) != napi_ok) return -ENOSYS;
  if (strcmp(uv_handle_type_name(UV_POLL), "poll") != 0) return -ENOSYS; /* another libuv than we declare above */
  watch->poll = calloc(1, uv_handle_size(UV_POLL));
  if (watch->poll == NULL) return -ENOMEM;
  watch->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (watch->fd < 0) return -errno;
  int result = uv_poll_init(loop, watch->poll, watch->fd);
  if (result < 0) close(watch->fd);
  return result;
}

/* watch(fd, events, callback): begins at once; events is 1 for readable, 2 for writable, or their sum. */
static napi_value call_watch(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd;
  int64_t events;
  if (!read_arguments(&arguments, env, info, "watch", 3, 3) || !fd_argument(&arguments, 0, &fd) ||
      !integer_argument(&arguments, 1, "events", UV_READABLE, UV_READABLE | UV_WRITABLE, &events) ||
      !function_argument(&arguments, 2, "callback")) {
    return NULL;
  }
  Watch *watch = calloc(1, sizeof *watch);
  if (watch == NULL) return throw_errno(env, "watch", ENOMEM);
  watch->env = env;
  watch->events = (int)events;
  int result = make_handle(watch, fd);
  if (result < 0) {
    free(watch->poll);
    free(watch);
    return throw_errno(env, "watch", -result);
  }
  watch->owner_count = 1;
  uv_handle_set_data((uv_handle_t *)watch->poll, watch);
  napi_value object;
  if (!make_object(watch, arguments.values[2], &object)) return fail(env, watch);
  result = uv_poll_start(watch->poll, watch->events, on_ready);
  if (result < 0) {
    throw_errno(env, "watch", -result);
    return fail(env, watch);
  }
  return object;
}

/* unwatch(watch): the callback is not called any more, not even when this is called inside of it. */
static napi_value call_unwatch(napi_env env, napi_callback_info info) {
  Arguments arguments;
  Watch *watch;
  if (!read_arguments(&arguments, env, info, "unwatch", 1, 1) || !watch_argument(&arguments, 0, &watch)) return NULL;
  close_watch(watch);
  return make_undefined(env);
}

/* watchFor(watch, events): changes what is waited for; 0 pauses. Without effect on a closed watch. */
static napi_value call_watch_for(napi_env env, napi_callback_info info) {
  Arguments arguments;
  Watch *watch;
  int64_t events;
  if (!read_arguments(&arguments, env, info, "watchFor", 2, 2) || !watch_argument(&arguments, 0, &watch) ||
      !integer_argument(&arguments, 1, "events", 0, UV_READABLE | UV_WRITABLE, &events)) {
    return NULL;
  }
  if (watch->closing) return make_undefined(env);
  watch->events = (int)events;
  watch->error_count = 0;
  int result = events == 0 ? uv_poll_stop(watch->poll) : uv_poll_start(watch->poll, watch->events, on_ready);
  if (result < 0) return throw_errno(env, "watchFor", -result);
  return make_undefined(env);
}

/* keepAlive(watch, yes): whether the open watch keeps the process from ending; it does at first. */
static napi_value call_keep_alive(napi_env env, napi_callback_info info) {
  Arguments arguments;
  Watch *watch;
  int64_t yes;
  if (!read_arguments(&arguments, env, info, "keepAlive", 2, 2) || !watch_argument(&arguments, 0, &watch) ||
      !integer_argument(&arguments, 1, "yes", 0, 1, &yes)) {
    return NULL;
  }
  if (watch->closing) return make_undefined(env);
  if (yes) uv_ref((uv_handle_t *)watch->poll);
  else uv_unref((uv_handle_t *)watch->poll);
  return make_undefined(env);
}

const Function watch_functions[] = {{"watch", call_watch},
                                    {"unwatch", call_unwatch},
                                    {"watchFor", call_watch_for},
                                    {"keepAlive", call_keep_alive},
                                    {NULL, NULL}};
