/* A D-Bus service and client in C over sd-bus, the peer of the bus's calls between two processes.
 *   dbus-echo serve          owns org.example.Echo and answers Echo(a{sv}-like struct) with the same ten values
 *   dbus-echo call COUNT     makes COUNT calls one after another, prints nanoseconds per call
 * The address of the bus is in DBUS_SESSION_BUS_ADDRESS. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#define NAME "org.example.Echo"
#define PATH "/org/example/Echo"
#define SIGNATURE "uayssssbuayd"

static int fail(const char *what, int error) {
  fprintf(stderr, "dbus-echo: %s: %s\n", what, strerror(-error));
  return 1;
}

static int copy(sd_bus_message *from, sd_bus_message *to) {
  uint32_t xid, lease;
  int tentative;
  const char *texts[4];
  const void *mac, *id;
  size_t mac_size, id_size;
  double load;
  int r = sd_bus_message_read_basic(from, 'u', &xid);
  if (r >= 0) r = sd_bus_message_read_array(from, 'y', &mac, &mac_size);
  for (int i = 0; i < 4 && r >= 0; i++) r = sd_bus_message_read_basic(from, 's', &texts[i]);
  if (r >= 0) r = sd_bus_message_read(from, "bu", &tentative, &lease);
  if (r >= 0) r = sd_bus_message_read_array(from, 'y', &id, &id_size);
  if (r >= 0) r = sd_bus_message_read_basic(from, 'd', &load);
  if (r >= 0) r = sd_bus_message_append(to, "u", xid);
  if (r >= 0) r = sd_bus_message_append_array(to, 'y', mac, mac_size);
  for (int i = 0; i < 4 && r >= 0; i++) r = sd_bus_message_append(to, "s", texts[i]);
  if (r >= 0) r = sd_bus_message_append(to, "bu", tentative, lease);
  if (r >= 0) r = sd_bus_message_append_array(to, 'y', id, id_size);
  if (r >= 0) r = sd_bus_message_append(to, "d", load);
  return r;
}

static int on_echo(sd_bus_message *call, void *data, sd_bus_error *error) {
  (void)data;
  (void)error;
  sd_bus_message *reply = NULL;
  int r = sd_bus_message_new_method_return(call, &reply);
  if (r >= 0) r = copy(call, reply);
  if (r >= 0) r = sd_bus_send(NULL, reply, NULL);
  sd_bus_message_unref(reply);
  return r < 0 ? r : 1;
}

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Echo", SIGNATURE, SIGNATURE, on_echo, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static int serve(sd_bus *bus) {
  int r = sd_bus_add_object_vtable(bus, NULL, PATH, NAME, vtable, NULL);
  if (r < 0) return fail("add object", r);
  r = sd_bus_request_name(bus, NAME, 0);
  if (r < 0) return fail("request name", r);
  puts("ready");
  fflush(stdout);
  for (;;) {
    r = sd_bus_process(bus, NULL);
    if (r < 0) return fail("process", r);
    if (r > 0) continue;
    r = sd_bus_wait(bus, UINT64_MAX);
    if (r < 0 && r != -EINTR) return fail("wait", r);
  }
}

static int call_once(sd_bus *bus) {
  static const uint8_t mac[6] = {2, 0, 0, 0xab, 0xcd, 1};
  static const uint8_t id[32] = {1, 2, 3};
  sd_bus_message *call = NULL, *reply = NULL;
  int r = sd_bus_message_new_method_call(bus, &call, NAME, PATH, NAME, "Echo");
  if (r >= 0) r = sd_bus_message_append(call, "u", 3735928559u);
  if (r >= 0) r = sd_bus_message_append_array(call, 'y', mac, sizeof mac);
  if (r >= 0) r = sd_bus_message_append(call, "ssssbu", "laptop-of-somebody", "MSFT 5.0", "lan0", "switch7 port 12", 1, 3600u);
  if (r >= 0) r = sd_bus_message_append_array(call, 'y', id, sizeof id);
  if (r >= 0) r = sd_bus_message_append(call, "d", 0.25);
  if (r >= 0) r = sd_bus_call(bus, call, 0, NULL, &reply);
  sd_bus_message_unref(call);
  sd_bus_message_unref(reply);
  return r;
}

static int call_many(sd_bus *bus, long count) {
  struct timespec from, to;
  clock_gettime(CLOCK_MONOTONIC, &from);
  for (long i = 0; i < count; i++) {
    int r = call_once(bus);
    if (r < 0) return fail("call", r);
  }
  clock_gettime(CLOCK_MONOTONIC, &to);
  double took = (to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec);
  printf("%.1f\n", took / count);
  return 0;
}

int main(int argc, char **argv) {
  sd_bus *bus = NULL;
  int r = sd_bus_open_user(&bus);
  if (r < 0) return fail("open bus", r);
  if (argc == 2 && strcmp(argv[1], "serve") == 0) return serve(bus);
  if (argc == 3 && strcmp(argv[1], "call") == 0) return call_many(bus, atol(argv[2]));
  fprintf(stderr, "usage: dbus-echo serve | call COUNT\n");
  return 2;
}
