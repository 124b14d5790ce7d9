#include <evcoro/http/files.hpp>

#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <evcoro/http/detail/file_path.hpp>
#include <evcoro/http/detail/file_sender.hpp>
#include <evcoro/http/detail/file_store.hpp>
#include <evcoro/http/detail/plain.hpp>

namespace evcoro::http {
namespace detail {
namespace {

Status status_of(std::error_code error) noexcept {
  if (error == std::errc::permission_denied) return Status::forbidden;
  if (error == std::errc::too_many_files_open ||
      error == std::errc::too_many_files_open_in_system || error == std::errc::not_enough_memory) {
    return Status::service_unavailable;
  }
  if (error == std::errc::io_error) return Status::internal_server_error;
  return Status::not_found;
}

void redirect_to_folder(const Request& request, Response& response) {
  std::string target{request.path()};
  target += '/';
  if (!request.query().empty()) target.append("?").append(request.query());
  response.fields().set("Location", target);
  send_plain(response, Status::moved_permanently);
}

}  // namespace

class FilesState {
 public:
  FilesState(const std::string& folder, FilesOptions options)
      : options_(std::move(options)), store_(folder, options_) {
    if (options_.prefix.ends_with('/')) options_.prefix.pop_back();
  }

  void serve(Request& request, Response& response) const {
    if (request.method() != Method::get && request.method() != Method::head) {
      response.fields().set("Allow", "GET, HEAD");
      return static_cast<void>(send_plain(response, Status::method_not_allowed));
    }
    const auto asked = path_of(request);
    const auto path = asked ? to_file_path(*asked, options_.dot_files) : std::nullopt;
    if (!path) return static_cast<void>(send_plain(response, Status::not_found));
    const bool is_bare_root = path->empty() && !request.path().ends_with('/');
    if (is_bare_root) return redirect_to_folder(request, response);
    const Result<SharedFile> file = store_.find(*path);
    if (file) return send_open_file(request, response, **file, options_);
    if (file.error() == std::errc::is_a_directory) return redirect_to_folder(request, response);
    send_plain(response, status_of(file.error()));
  }

 private:
  // nullopt if it isn't behind the prefix, or if a slash follows the one that a router has taken:
  // that would be an empty segment, and a redirect to "//name/" would lead to another host.
  std::optional<std::string_view> path_of(const Request& request) const noexcept {
    std::string_view path = request.path();
    if (!options_.prefix.empty()) {
      if (!path.starts_with(options_.prefix)) return std::nullopt;
      path.remove_prefix(options_.prefix.size());
      return path.empty() || path.front() == '/' ? std::optional{path} : std::nullopt;
    }
    const std::string_view parameter = request.parameter(options_.parameter);
    if (parameter.data() == nullptr) return path;  // one that isn't there has no data
    return parameter.starts_with('/') ? std::nullopt : std::optional{parameter};
  }

  FilesOptions options_;
  const FileStore store_;
};

}  // namespace detail

Files::Files(const std::string& folder, Options options)
    : state_(std::make_shared<const detail::FilesState>(folder, std::move(options))) {}

void Files::operator()(Request& request, Response& response) const {
  state_->serve(request, response);
}

}  // namespace evcoro::http
