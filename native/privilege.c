/*
 * Giving up powers, and entering namespaces. Capabilities and no_new_privs belong to threads: what is said of one
 * thread here is the calling one, unless the function says otherwise.
 */
#include "metanet.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define USER_BYTES_MAX 256
#define PASSWD_BYTES_MAX 65536

/* setNoNewPrivileges(): for every thread of the process, for good (prctl(2), seccomp(2)). */
static napi_value call_set_no_new_privileges(napi_env env, napi_callback_info info) {
  Arguments arguments;
  if (!read_arguments(&arguments, env, info, "setNoNewPrivileges", 0, 0)) return NULL;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return throw_errno(env, "setNoNewPrivileges", errno);
  /* A filter that allows everything, put on all threads, is the one way to put the flag on all threads. */
  struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {1, &allow};
  long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
  if (result != 0) return throw_errno(env, "setNoNewPrivileges", result > 0 ? ESRCH : errno);
  return make_undefined(env);
}

/* Numbers of JavaScript are whole up to here; the kernel has 41 capabilities (linux/capability.h). */
#define CAPABILITY_COUNT_MAX 53
#define CAPABILITY_MASK_MAX ((1LL << CAPABILITY_COUNT_MAX) - 1)

/* dropBoundingSet(kept): no execve can give this thread or its children a capability but these. Needs CAP_SETPCAP. */
static napi_value call_drop_bounding_set(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int64_t kept;
  if (!read_arguments(&arguments, env, info, "dropBoundingSet", 1, 1) ||
      !integer_argument(&arguments, 0, "kept", 0, CAPABILITY_MASK_MAX, &kept)) {
    return NULL;
  }
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
    if (capability < CAPABILITY_COUNT_MAX && (kept >> capability & 1) != 0) continue;
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) return throw_errno(env, "dropBoundingSet", errno);
  }
  return make_undefined(env);
}

/* keepCapabilities(): this thread's permitted ones survive the next change of its user (prctl(2), PR_SET_KEEPCAPS). */
static napi_value call_keep_capabilities(napi_env env, napi_callback_info info) {
  Arguments arguments;
  if (!read_arguments(&arguments, env, info, "keepCapabilities", 0, 0)) return NULL;
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return throw_errno(env, "keepCapabilities", errno);
  return make_undefined(env);
}

/*
 * limitCapabilities(kept, passed): this thread has exactly these, bit n for capability n, and programs that it starts
 * get the passed ones of them (ambient). The rest is gone for good.
 */
static napi_value call_limit_capabilities(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int64_t kept, passed;
  if (!read_arguments(&arguments, env, info, "limitCapabilities", 2, 2) ||
      !integer_argument(&arguments, 0, "kept", 0, CAPABILITY_MASK_MAX, &kept) ||
      !integer_argument(&arguments, 1, "passed", 0, CAPABILITY_MASK_MAX, &passed)) {
    return NULL;
  }
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) {
    return throw_errno(env, "limitCapabilities", errno);
  }
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
  memset(sets, 0, sizeof sets);
  for (int half = 0; half < _LINUX_CAPABILITY_U32S_3; half++) {
    sets[half].permitted = sets[half].effective = (uint32_t)(kept >> 32 * half);
    sets[half].inheritable = (uint32_t)((kept & passed) >> 32 * half);
  }
  if (syscall(SYS_capset, &header, sets) < 0) return throw_errno(env, "limitCapabilities", errno);
  for (int capability = 0; capability < CAPABILITY_COUNT_MAX; capability++) {
    if ((kept & passed) >> capability & 1) {
      if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0) {
        return throw_errno(env, "limitCapabilities", errno);
      }
    }
  }
  return make_undefined(env);
}

static int look_up(const char *name, int64_t uid, struct passwd *entry, char **memory, struct passwd **found) {
  for (size_t size = 4096; size <= PASSWD_BYTES_MAX; size *= 4) {
    *memory = malloc(size);
    if (*memory == NULL) return ENOMEM;
    int result = name != NULL ? getpwnam_r(name, entry, *memory, size, found)
                              : getpwuid_r((uid_t)uid, entry, *memory, size, found);
    if (result != ERANGE) return result;
    free(*memory);
    *memory = NULL;
  }
  return ERANGE;
}

/* lookUpUser(name or uid, identity): writes uid and gid into two words; false when there is no such user. */
static napi_value call_look_up_user(napi_env env, napi_callback_info info) {
  Arguments arguments;
  char name[USER_BYTES_MAX];
  int64_t uid = 0;
  Words identity;
  napi_valuetype type;
  if (!read_arguments(&arguments, env, info, "lookUpUser", 2, 2) ||
      !words_argument(&arguments, 1, "identity", &identity) ||
      napi_typeof(env, arguments.values[0], &type) != napi_ok) {
    return NULL;
  }
  const bool by_name = type != napi_number;
  if (by_name ? !text_argument(&arguments, 0, "user", name, sizeof name)
              : !integer_argument(&arguments, 0, "user", 0, INT32_MAX, &uid)) {
    return NULL;
  }
  if (identity.length < 2) return throw_range(&arguments, "argument 'identity' has no room for two words");
  struct passwd entry, *found = NULL;
  char *memory = NULL;
  int result = look_up(by_name ? name : NULL, uid, &entry, &memory, &found);
  if (found != NULL) {
    identity.data[0] = (int32_t)found->pw_uid;
    identity.data[1] = (int32_t)found->pw_gid;
  }
  free(memory);
  /* "Not found" has many names (getpwnam(3)); only lack of room is an error of its own. */
  if (result == ENOMEM || result == ERANGE || result == EMFILE) return throw_errno(env, "lookUpUser", result);
  napi_value is_found = NULL;
  napi_get_boolean(env, found != NULL, &is_found);
  return is_found;
}

/* setns(fd, kind): this thread only; kind 0 takes whatever namespace the descriptor is of (setns(2)). */
static napi_value call_setns(napi_env env, napi_callback_info info) {
  Arguments arguments;
  int fd, kind;
  if (!read_arguments(&arguments, env, info, "setns", 2, 2) || !fd_argument(&arguments, 0, &fd) ||
      !int_argument(&arguments, 1, "kind", &kind)) {
    return NULL;
  }
  if (setns(fd, kind) < 0) return throw_errno(env, "setns", errno);
  return make_undefined(env);
}

const Function privilege_functions[] = {{"setNoNewPrivileges", call_set_no_new_privileges},
                                        {"dropBoundingSet", call_drop_bounding_set},
                                        {"keepCapabilities", call_keep_capabilities},
                                        {"limitCapabilities", call_limit_capabilities},
                                        {"lookUpUser", call_look_up_user},
                                        {"setns", call_setns},
                                        {NULL, NULL}};
