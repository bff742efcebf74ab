/* The module: gathers the tables of functions of the other files. */
#include "metanet.h"

static bool export_functions(napi_env env, napi_value exports, const Function *functions) {
  for (; functions->name != NULL; functions++) {
    napi_value value;
    if (napi_create_function(env, functions->name, NAPI_AUTO_LENGTH, functions->call, NULL, &value) != napi_ok ||
        napi_set_named_property(env, exports, functions->name, value) != napi_ok) {
      return false;
    }
  }
  return true;
}

NAPI_MODULE_INIT() {
  const Function *tables[] = {socket_functions, batch_functions, watch_functions, passing_functions,
                              privilege_functions, ring_functions, device_functions, bpf_functions,
                              events_functions};
  for (size_t index = 0; index < sizeof tables / sizeof *tables; index++) {
    if (!export_functions(env, exports, tables[index])) return NULL;
  }
  return exports;
}
