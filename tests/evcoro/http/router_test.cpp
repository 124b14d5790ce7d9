#include <evcoro/http/router.hpp>

#include <stdexcept>

#include <support/http.hpp>

using namespace evcoro::http;

namespace {

support::Reply ask(const Router& router, std::string_view line, std::string_view host = "x") {
  std::string text{line};
  text.append(" HTTP/1.1\r\nHost: ").append(host).append("\r\n\r\n");
  const std::string sent = support::send_pieces({text}, router);
  std::string_view rest = sent;
  return support::parse_reply(rest, line.starts_with("HEAD"));
}

Handler say(std::string text) {
  return [text = std::move(text)](Request&, Response& response) { response.send(text); };
}

Handler say_parameters(std::vector<std::string> names) {
  return [names = std::move(names)](Request& request, Response& response) {
    std::string all;
    for (const auto& name : names) all.append(request.parameter(name)).append(";");
    response.send(all);
  };
}

}  // namespace

TEST_CASE("router: paths with and without parameters") {
  Router router;
  router.get("/", say("root"))
      .get("/users", say("users"))
      .get("/users/", say("users/"))
      .get("/users/:id", say_parameters({"id"}))
      .get("/users/new", say("new"))
      .get("/users/:user/books/:book", say_parameters({"user", "book", "id"}))
      .get("/files/*path", say_parameters({"path"}))
      .get("/files/secret", say("secret"));
  CHECK(ask(router, "GET /").body == "root");
  CHECK(ask(router, "GET /?a=b").body == "root");
  CHECK(ask(router, "GET /users").body == "users");
  CHECK(ask(router, "GET /users/").body == "users/");
  CHECK(ask(router, "GET /users/17").body == "17;");
  CHECK(ask(router, "GET /users/a%2Fb").body == "a%2Fb;");
  CHECK(ask(router, "GET /users/new").body == "new");
  CHECK(ask(router, "GET /users/new/books/2").body == "new;2;;");
  CHECK(ask(router, "GET /files/").body == ";");
  CHECK(ask(router, "GET /files/a/b/").body == "a/b/;");
  CHECK(ask(router, "GET /files/secret").body == "secret");
  CHECK(ask(router, "GET /files/secret/x").body == "secret/x;");
  for (const char* line : {"GET /Users", "GET /users/1/", "GET /users/1/books", "GET //",
                           "GET /users//books/1", "GET /files", "GET /x"}) {
    CHECK(ask(router, line).status == 404);
  }
}

TEST_CASE("router: methods") {
  Router router;
  router.get("/a", say("get")).post("/a", say("post")).put("/b", say("put"));
  router.get("/:any", say("any")).del("/b", say("first")).del("/b", say("second"));
  CHECK(ask(router, "GET /a").body == "get");
  CHECK(ask(router, "POST /a").body == "post");
  CHECK(ask(router, "HEAD /a").field("Content-Length") == "3");
  CHECK(ask(router, "GET /b").body == "any");  // another route has it
  CHECK(ask(router, "DELETE /b").body == "second");
  const auto reply = ask(router, "PATCH /a");
  CHECK(reply.status == 405);
  CHECK(reply.field("Allow") == "GET, HEAD, POST, OPTIONS");
  const auto options = ask(router, "OPTIONS /b");
  CHECK(options.status == 204);
  CHECK(options.field("Allow") == "DELETE, GET, HEAD, PUT, OPTIONS");
  CHECK(ask(router, "OPTIONS *").status == 204);
  CHECK(ask(router, "OPTIONS /x/y").status == 404);
  router.add(Method::head, "/a",
             [](Request&, Response& response) { response.set_content_length(77); });
  CHECK(ask(router, "HEAD /a").field("Content-Length") == "77");
}

TEST_CASE("router: middleware sees every request in its order") {
  std::string log;
  Router router;
  router.get("/a", [&](Request&, Response& response) { log += "a", response.send("a"); });
  router.use([&](Request&, Response&, const Next& next) { log += "<", next(), log += ">"; });
  router.use([&](Request& request, Response& response, const Next& next) {
    log += "(";
    request.path() == "/forbidden" ? static_cast<void>(response.set_status(Status::forbidden))
                                   : next();
    log += ")";
  });
  CHECK(ask(router, "GET /a").body == "a");
  CHECK(std::exchange(log, "") == "<(a)>");
  CHECK(ask(router, "GET /forbidden").status == 403);
  CHECK(std::exchange(log, "") == "<()>");
  CHECK(ask(router, "GET /x").status == 404);
  CHECK(std::exchange(log, "") == "<()>");
}

TEST_CASE("router: virtual hosts") {
  Router router;
  Router api;
  api.get("/", say("api"));
  router.get("/", say("default")).host("API.example.org", api).host("[::1]", api);
  CHECK(ask(router, "GET /", "example.org").body == "default");
  CHECK(ask(router, "GET /", "api.example.org").body == "api");
  CHECK(ask(router, "GET /", "api.EXAMPLE.org:8080").body == "api");
  CHECK(ask(router, "GET /", "[::1]:80").body == "api");
  CHECK(ask(router, "GET /", "[::1]").body == "api");
  CHECK(ask(router, "GET /", "api.example.org.").body == "api");
  CHECK(ask(router, "GET /", "api.example.org.:80").body == "api");
  CHECK(ask(router, "GET /", "xapi.example.org").body == "default");
  CHECK(ask(router, "GET http://api.example.org/", "example.org").body == "api");
}

TEST_CASE("router: routers beneath a prefix") {
  Router inner;
  inner.get("/", say("deep root")).get("/:id", say_parameters({"id"}));
  Router api;
  api.get("/", say("api root"))
      .get("/users/:id", say_parameters({"id"}))
      .post("/users", say("made"));
  api.get("/*path", say_parameters({"path"}));
  api.mount("/deep", inner);
  std::string seen;
  api.use([&](Request& request, Response&, const Next& next) {
    seen = request.path();
    next();
  });
  Router router;
  router.mount("/api", api).mount("/api/v2/x", inner).get("/api/own", say("own"));
  router.get("/", say("root"));
  CHECK(ask(router, "GET /").body == "root");
  CHECK(seen.empty());
  CHECK(ask(router, "GET /api").body == "api root");
  CHECK(ask(router, "GET /api/").body == "api root");
  CHECK(ask(router, "GET /api?a=b").body == "api root");
  CHECK(ask(router, "GET /api/users/17").body == "17;");
  CHECK(seen == "/api/users/17");
  CHECK(ask(router, "GET /api/own").body == "own");
  CHECK(ask(router, "POST /api/users").body == "made");
  CHECK(ask(router, "POST /api/own").field("Allow") == "GET, HEAD, OPTIONS");  // of "*path"
  CHECK(ask(router, "GET /api/v2/y").body == "v2/y;");
  CHECK(ask(router, "GET /api/v2/x/7").body == "7;");
  CHECK(ask(router, "GET /api/v2/x").body == "deep root");
  CHECK(ask(router, "GET /api/v2/x/7/8").status == 404);
  CHECK(ask(router, "GET /apis").status == 404);
  CHECK(ask(router, "POST /api/deep/1").status == 405);
  CHECK(ask(router, "OPTIONS *").status == 204);
  for (const char* prefix : {"", "/", "api", "/api/", "/:a", "/a/*b"}) {
    CHECK_THROWS_AS(router.mount(prefix, api), std::invalid_argument);
  }
}

TEST_CASE("router: what no route is for") {
  Router router;
  router.get("/a", say("a")).otherwise(say("other"));
  CHECK(ask(router, "GET /x").body == "other");
  CHECK(ask(router, "POST /a").status == 405);
}

TEST_CASE("router: patterns that can't be") {
  Router router;
  for (const char* pattern : {"", "a", "/:", "/*", "/*a/b", "/a/:/b"}) {
    CHECK_THROWS_AS(router.get(pattern, say("")), std::invalid_argument);
  }
}
