#include <evcoro/http/detail/plain.hpp>

#include <string>

namespace evcoro::http::detail {

std::error_code send_plain(Response& response, Status status) {
  response.set_status(status);
  response.fields().set("Content-Type", "text/plain");
  return response.send(std::string{reason_phrase(status)} + "\n");
}

}  // namespace evcoro::http::detail
