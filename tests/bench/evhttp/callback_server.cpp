// An evhttp that says hello, by a callback.
#include "tests/bench/evhttp/hello.hpp"

namespace {

void hello(evhttp_request* request, void*) {
  evbuffer* const body = make_hello();
  evhttp_send_reply(request, 200, "OK", body);
  evbuffer_free(body);
}

}  // namespace

int main(int argc, char** argv) {
  const HelloServer server{argc, argv};
  evhttp_set_cb(server.http, "/", hello, nullptr);
  server.run();
}
