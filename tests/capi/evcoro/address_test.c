#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <evcoro/net/address.h>
#include <support/c_test.h>

// require_text() compares a string that was allocated for the caller, and frees it.
static void require_text(char* text, const char* expected) {
  REQUIRE_C(text != NULL);
  REQUIRE_C(strcmp(text, expected) == 0);
  free(text);
}

TEST_CASE_C(wildcards, "IPADDRESS_any and IPADDRESS_loopback know both families") {
  IPADDRESS address;
  REQUIRE_C(IPADDRESS_any(&address, AF_INET) == 0);
  REQUIRE_C(IPADDRESS_family(&address) == AF_INET);
  require_text(IPADDRESS_to_string(&address), "0.0.0.0");
  REQUIRE_C(IPADDRESS_any(&address, AF_INET6) == 0);
  REQUIRE_C(IPADDRESS_family(&address) == AF_INET6);
  require_text(IPADDRESS_to_string(&address), "::");
  REQUIRE_C(IPADDRESS_loopback(&address, AF_INET) == 0);
  require_text(IPADDRESS_to_string(&address), "127.0.0.1");
  REQUIRE_C(IPADDRESS_loopback(&address, AF_INET6) == 0);
  require_text(IPADDRESS_to_string(&address), "::1");
}

TEST_CASE_C(parsing, "IPADDRESS_parse_string reads what IPADDRESS_to_string writes") {
  static const char* const texts[] = {"1.2.3.4", "255.255.255.255", "::", "2001:db8::7",
                                      "fe80::1%1"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
    IPADDRESS address;
    IPADDRESS again;
    REQUIRE_C(IPADDRESS_parse_string(&address, texts[i]) == 0);
    char* const text = IPADDRESS_to_string(&address);
    REQUIRE_C(IPADDRESS_parse_string(&again, text) == 0);
    REQUIRE_C(memcmp(&address, &again, sizeof address) == 0);
    free(text);
  }
}

TEST_CASE_C(no_addresses, "IPADDRESS_parse_string refuses what is no address, or one with a port") {
  static const char* const texts[] = {
      "", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.4:80", "1.2.3.4:0", "[::1]", "[::1]:80", ":::"};
  IPADDRESS address;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
    REQUIRE_ERRNO(IPADDRESS_parse_string(&address, texts[i]) == -1, EINVAL);
  }
}

TEST_CASE_C(with_port, "a SOCKADDR is an address with a port") {
  IPADDRESS address;
  SOCKADDR saddr;
  REQUIRE_C(IPADDRESS_parse_string(&address, "1.2.3.4") == 0);
  REQUIRE_C(SOCKADDR_init(&saddr, &address, 51000) == 0);
  require_text(SOCKADDR_to_string(&saddr), "1.2.3.4:51000");
  REQUIRE_C(SOCKADDR_family(&saddr) == AF_INET);
  REQUIRE_C(SOCKADDR_port(&saddr) == 51000);
  REQUIRE_C(SOCKADDR_length(&saddr) == sizeof(struct sockaddr_in));
  const struct sockaddr_in* const v4 = (const struct sockaddr_in*)SOCKADDR_saddr(&saddr);
  REQUIRE_C(v4->sin_family == AF_INET);
  REQUIRE_C(v4->sin_port == htons(51000));
  REQUIRE_C(v4->sin_addr.s_addr == inet_addr("1.2.3.4"));

  REQUIRE_C(IPADDRESS_any(&address, AF_INET6) == 0);
  REQUIRE_C(SOCKADDR_init(&saddr, &address, 51000) == 0);
  require_text(SOCKADDR_to_string(&saddr), "[::]:51000");
  REQUIRE_C(SOCKADDR_family(&saddr) == AF_INET6);
  REQUIRE_C(SOCKADDR_length(&saddr) == sizeof(struct sockaddr_in6));

  REQUIRE_C(IPADDRESS_parse_string(&address, "fe80::1%1") == 0);
  REQUIRE_C(SOCKADDR_init(&saddr, &address, 1) == 0);
  REQUIRE_C(((const struct sockaddr_in6*)SOCKADDR_saddr(&saddr))->sin6_scope_id == 1);
}

TEST_CASE_C(parsing_with_port, "SOCKADDR_parse_string reads an address, perhaps with a port") {
  SOCKADDR saddr;
  REQUIRE_C(SOCKADDR_parse_string(&saddr, "127.0.0.1:9999", 1) == 0);
  require_text(SOCKADDR_to_string(&saddr), "127.0.0.1:9999");
  REQUIRE_C(SOCKADDR_parse_string(&saddr, "[::1]:9999", 1) == 0);
  require_text(SOCKADDR_to_string(&saddr), "[::1]:9999");
  REQUIRE_C(SOCKADDR_parse_string(&saddr, "::1", 7) == 0);
  require_text(SOCKADDR_to_string(&saddr), "[::1]:7");
  REQUIRE_ERRNO(SOCKADDR_parse_string(&saddr, "127.0.0.1:99999", 1) == -1, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_parse_string(&saddr, "localhost", 1) == -1, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_parse_string(NULL, "::1", 1) == -1, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_parse_string(&saddr, NULL, 1) == -1, EINVAL);
  require_text(SOCKADDR_to_string(&saddr), "[::1]:7");  // as it was
}

TEST_CASE_C(address_misuse, "other families and NULL are errors") {
  IPADDRESS address;
  SOCKADDR saddr;
  memset(&saddr, 0, sizeof saddr);
  REQUIRE_ERRNO(IPADDRESS_any(&address, AF_UNIX) == -1, EAFNOSUPPORT);
  REQUIRE_ERRNO(IPADDRESS_any(NULL, AF_INET) == -1, EINVAL);
  REQUIRE_ERRNO(IPADDRESS_loopback(&address, 12345) == -1, EAFNOSUPPORT);
  REQUIRE_ERRNO(IPADDRESS_loopback(NULL, AF_INET) == -1, EINVAL);
  REQUIRE_ERRNO(IPADDRESS_parse_string(NULL, "::1") == -1, EINVAL);
  REQUIRE_ERRNO(IPADDRESS_parse_string(&address, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(IPADDRESS_to_string(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(IPADDRESS_family(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_init(NULL, &address, 1) == -1, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_init(&saddr, NULL, 1) == -1, EINVAL);
  address.family = AF_UNIX;  // it has no port
  REQUIRE_ERRNO(SOCKADDR_init(&saddr, &address, 1) == -1, EAFNOSUPPORT);
  REQUIRE_ERRNO(IPADDRESS_to_string(&address) == NULL, EAFNOSUPPORT);
  REQUIRE_ERRNO(SOCKADDR_saddr(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_family(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_length(NULL) == 0, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_port(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_port(&saddr) == -1, EAFNOSUPPORT);
  REQUIRE_ERRNO(SOCKADDR_length(&saddr) == 0, EAFNOSUPPORT);
  REQUIRE_ERRNO(SOCKADDR_to_string(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_to_string(&saddr) == NULL, EAFNOSUPPORT);
}

// --- UNIX sockets ---

TEST_CASE_C(unix_addresses, "a SOCKADDR can be the address of a UNIX socket") {
  SOCKADDR saddr;
  REQUIRE_C(SOCKADDR_init_unix(&saddr, "/run/service.sock") == 0);
  REQUIRE_C(SOCKADDR_family(&saddr) == AF_UNIX);
  REQUIRE_C(strcmp(SOCKADDR_path(&saddr), "/run/service.sock") == 0);
  REQUIRE_C(SOCKADDR_length(&saddr) == 2 + sizeof "/run/service.sock");
  REQUIRE_ERRNO(SOCKADDR_port(&saddr) == -1, EAFNOSUPPORT);
  require_text(SOCKADDR_to_string(&saddr), "unix:/run/service.sock");
  REQUIRE_C(SOCKADDR_init_abstract(&saddr, "na\0me", 5) == 0);
  REQUIRE_C(SOCKADDR_length(&saddr) == 2 + 1 + 5);
  REQUIRE_C(strcmp(SOCKADDR_path(&saddr), "") == 0);
  REQUIRE_ERRNO(SOCKADDR_to_string(&saddr) == NULL, EINVAL);
  REQUIRE_C(SOCKADDR_parse_string(&saddr, "unix:@name", 1) == 0);
  REQUIRE_C(SOCKADDR_length(&saddr) == 2 + 1 + 4);
  require_text(SOCKADDR_to_string(&saddr), "unix:@name");
  REQUIRE_C(SOCKADDR_init_unix(&saddr, NULL) == 0);
  REQUIRE_C(SOCKADDR_length(&saddr) == 2);
  require_text(SOCKADDR_to_string(&saddr), "unix:");
}

TEST_CASE_C(unix_lengths, "a path that is too long is an error, and never cut") {
  SOCKADDR saddr;
  char path[200];
  memset(path, 'x', sizeof path);
  path[107] = '\0';
  REQUIRE_C(SOCKADDR_init_unix(&saddr, path) == 0);
  REQUIRE_C(strcmp(SOCKADDR_path(&saddr), path) == 0);
  REQUIRE_C(SOCKADDR_init_abstract(&saddr, path, 107) == 0);
  REQUIRE_C(SOCKADDR_length(&saddr) == sizeof(struct sockaddr_un));
  path[107] = 'x';
  path[108] = '\0';
  REQUIRE_ERRNO(SOCKADDR_init_unix(&saddr, path) == -1, ENAMETOOLONG);
  REQUIRE_ERRNO(SOCKADDR_init_abstract(&saddr, path, 108) == -1, ENAMETOOLONG);
  REQUIRE_ERRNO(SOCKADDR_init_unix(&saddr, "") == -1, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_init_unix(NULL, "/run") == -1, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_init_abstract(&saddr, NULL, 0) == -1, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_path(NULL) == NULL, EINVAL);
}

TEST_CASE_C(copied_address, "SOCKADDR_init_saddr copies what the system calls use") {
  // The kernel says 111 of a path of 108 characters, which leaves no room for a NUL.
  char bytes[111] = {0};
  SOCKADDR saddr;
  memset(bytes, 'x', 110);
  const sa_family_t family = AF_UNIX;
  memcpy(bytes, &family, sizeof family);
  REQUIRE_C(SOCKADDR_init_saddr(&saddr, (const struct sockaddr*)bytes, sizeof bytes) == 0);
  REQUIRE_C(strlen(SOCKADDR_path(&saddr)) == 108);
  REQUIRE_C(SOCKADDR_length(&saddr) == 110);
  REQUIRE_ERRNO(SOCKADDR_init_saddr(&saddr, (const struct sockaddr*)bytes, 1) == -1, EINVAL);
  REQUIRE_ERRNO(SOCKADDR_init_saddr(&saddr, NULL, 0) == -1, EINVAL);
}
