// What the handles of tls.h point to.
//
// A stream of TLS remembers why its last call has failed, for who asks for the text. So the handle
// must be there still when a call ends, whoever has closed it meanwhile.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <evcoro/tls/tls.h>
#include <evcoro/capi/objects.hpp>
#include <evcoro/io/io_result.hpp>
#include <evcoro/io/stream.hpp>
#include <evcoro/tls/context.hpp>
#include <evcoro/tls/socket.hpp>
#include <evcoro/tls/ssl_stream.hpp>

struct tagEVTLSCONTEXT {
  evcoro::TlsContext context;
};

namespace evcoro::capi {

// tell() is fail() with a text for EVTLSERROR_text(); tell_as_caught() is fail_as_caught() so.
int tell(const std::error_code& error) noexcept;
int tell(int error) noexcept;
int tell_as_caught() noexcept;

// TlsHandle is a Stream, for EVREADERs and EVWRITERs.
template <class S>
class TlsHandle : public Object {
 public:
  template <class... Arguments>
  explicit TlsHandle(Arguments&&... arguments) noexcept
      : stream(std::forward<Arguments>(arguments)...) {}

  IoResult recv(std::span<std::byte> buffer, Timeout timeout) noexcept {
    return call([&] { return stream.recv(buffer, timeout); });
  }
  IoResult send(std::span<const std::byte> data, Timeout timeout) noexcept {
    return call([&] { return stream.send(data, timeout); });
  }
  std::error_code wait_readable(Timeout timeout) noexcept {
    return call([&] { return stream.wait_readable(timeout); });
  }

  // call() makes a call that may wait, and remembers its error. The handle may be gone afterwards.
  template <class Call>
  auto call(Call make_call) noexcept {
    ++calls_;
    const auto result = make_call();
    remember(result);
    if (--calls_ == 0 && is_disposed_) delete this;
    return result;
  }

  void remember(const std::error_code& error) noexcept {
    if (error) error_ = error;
  }
  void remember(const IoResult& io) noexcept { remember(io.error); }

  const char* error_text() noexcept try {
    error_text_ = error_ ? error_.message() : std::string{};
    return error_text_.c_str();
  } catch (const std::bad_alloc&) {
    return EVERROR_text(error_.default_error_condition().value());
  }

  bool is_in_use() const noexcept { return calls_ != 0; }
  void dispose() noexcept override {
    unlink();
    is_disposed_ = true;
    if constexpr (requires { stream.close(); }) stream.close();
    if (calls_ == 0) delete this;
  }

  S stream;

 private:
  int calls_ = 0;  // that threads are in
  bool is_disposed_ = false;
  std::error_code error_;
  std::string error_text_;
};

}  // namespace evcoro::capi

struct tagEVTLSSOCKET final : evcoro::capi::TlsHandle<evcoro::TlsSocket> {
  using TlsHandle::TlsHandle;
  std::string protocol;  // what was given to C
};

struct tagEVSSLSTREAM final : evcoro::capi::TlsHandle<evcoro::SslStream> {
  using TlsHandle::TlsHandle;
};
