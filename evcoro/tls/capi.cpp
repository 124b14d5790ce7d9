// EVTLSCONTEXT, EVTLSCERTIFICATE, and the text of what has failed.
#include <algorithm>
#include <chrono>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include <evcoro/capi/text.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/error.hpp>
#include <evcoro/tls/detail/capi.hpp>

using namespace evcoro::capi;
using evcoro::ClientCertificate;
using evcoro::TlsCertificate;
using evcoro::TlsClientOptions;
using evcoro::TlsContext;
using evcoro::TlsServerOptions;
using evcoro::TlsVersion;
using evcoro::UnknownName;

static_assert(EVTLSVERSION_1_2 == static_cast<int>(TlsVersion::tls12) &&
              EVTLSVERSION_1_3 == static_cast<int>(TlsVersion::tls13) &&
              EVTLSCLIENT_CERTIFICATE_IGNORED == static_cast<int>(ClientCertificate::ignored) &&
              EVTLSCLIENT_CERTIFICATE_WANTED == static_cast<int>(ClientCertificate::wanted) &&
              EVTLSCLIENT_CERTIFICATE_REQUIRED == static_cast<int>(ClientCertificate::required) &&
              EVTLSUNKNOWN_NAME_SERVE_FIRST == static_cast<int>(UnknownName::serve_first) &&
              EVTLSUNKNOWN_NAME_REFUSE == static_cast<int>(UnknownName::refuse));

// --- why something has failed ---

namespace {

thread_local std::string last_text;  // of this OS thread

void keep_text(const char* text) noexcept {
  try {
    last_text = text;
  } catch (const std::bad_alloc&) {
    last_text.clear();
  }
}

}  // namespace

namespace evcoro::capi {

int tell(const std::error_code& error) noexcept {
  try {
    last_text = error.message();
  } catch (const std::bad_alloc&) {
    last_text.clear();
  }
  return fail(error);
}

int tell(int error) noexcept {
  keep_text(EVERROR_text(error));
  return fail(error);
}

int tell_as_caught() noexcept {
  try {
    throw;
  } catch (const std::system_error& error) {
    keep_text(error.what());
  } catch (...) {
    keep_text(EVERROR_text(ENOMEM));
  }
  return fail_as_caught();
}

}  // namespace evcoro::capi

const char* EVTLSERROR_text() noexcept { return last_text.c_str(); }

// --- options ---

namespace {

[[noreturn]] void refuse_option(const char* option) {
  throw std::system_error(evcoro::detail::system_error(EINVAL), option);
}

std::string to_string(const char* text) { return text == nullptr ? std::string{} : text; }

template <class To>
To to_enumerator(int from, To last, const char* option) {
  if (from < 0 || from > static_cast<int>(last)) refuse_option(option);
  return static_cast<To>(from);
}

template <class To>
To to_option(timeval time) noexcept {
  return std::chrono::ceil<To>(
      evcoro::detail::clamp_option(std::chrono::ceil<std::chrono::milliseconds>(
          std::min<std::chrono::nanoseconds>(to_duration(time), std::chrono::hours{24 * 366}))));
}

std::vector<std::string> to_strings(const char* const* texts, size_t count, const char* option) {
  if (texts == nullptr && count != 0) refuse_option(option);
  std::vector<std::string> all;
  for (size_t i = 0; i < count; ++i) {
    if (texts[i] == nullptr) refuse_option(option);
    all.emplace_back(texts[i]);
  }
  return all;
}

std::vector<TlsCertificate> to_certificates(const EVTLSCERTIFICATE* from, size_t count) {
  if (from == nullptr && count != 0) refuse_option("certificates");
  std::vector<TlsCertificate> all;
  for (size_t i = 0; i < count; ++i) {
    if (from[i].chain == nullptr) refuse_option("certificates: chain");
    all.push_back({from[i].chain, to_string(from[i].key), to_string(from[i].ocsp)});
  }
  return all;
}

// Of both kinds of options.
template <class From, class To>
void to_common_options(const From& from, To& to) {
  to.certificates = to_certificates(from.certificates, from.num_certificates);
  to.kept_sessions = from.kept_sessions;
  to.lowest_version = to_enumerator(from.lowest_version, TlsVersion::tls13, "lowest_version");
  to.highest_version = to_enumerator(from.highest_version, TlsVersion::tls13, "highest_version");
  to.protocols = to_strings(from.protocols, from.num_protocols, "protocols");
  to.handshake_timeout = to_option<std::chrono::milliseconds>(from.handshake_timeout);
  to.openssl_stack_size = from.openssl_stack_size;
}

TlsServerOptions to_server_options(const EVTLSSERVER_OPTIONS& from) {
  TlsServerOptions to;
  to_common_options(from, to);
  to.unknown_name = to_enumerator(from.unknown_name, UnknownName::refuse, "unknown_name");
  to.client_certificate =
      to_enumerator(from.client_certificate, ClientCertificate::required, "client_certificate");
  to.client_authorities = to_string(from.client_authorities);
  to.ticket_key_lifetime = to_option<std::chrono::seconds>(from.ticket_key_lifetime);
  return to;
}

TlsClientOptions to_client_options(const EVTLSCLIENT_OPTIONS& from) {
  TlsClientOptions to;
  to_common_options(from, to);
  to.verify = from.verify != 0;
  to.authorities = to_string(from.authorities);
  to.request_ocsp = from.request_ocsp != 0;
  return to;
}

// The defaults of both kinds.
template <class From, class To>
void store_common_options(const From& from, To& to) noexcept {
  to = To{};
  to.kept_sessions = from.kept_sessions;
  to.lowest_version = static_cast<EVTLSVERSION>(from.lowest_version);
  to.highest_version = static_cast<EVTLSVERSION>(from.highest_version);
  to.handshake_timeout = evcoro::detail::to_timeval(from.handshake_timeout);
  to.openssl_stack_size = from.openssl_stack_size;
}

}  // namespace

int EVTLSSERVER_OPTIONS_init(EVTLSSERVER_OPTIONS* options) noexcept {
  if (options == nullptr) return tell(EINVAL);
  const TlsServerOptions defaults;
  store_common_options(defaults, *options);
  options->unknown_name = static_cast<EVTLSUNKNOWN_NAME>(defaults.unknown_name);
  options->client_certificate = static_cast<EVTLSCLIENT_CERTIFICATE>(defaults.client_certificate);
  options->ticket_key_lifetime = evcoro::detail::to_timeval(defaults.ticket_key_lifetime);
  return 0;
}

int EVTLSCLIENT_OPTIONS_init(EVTLSCLIENT_OPTIONS* options) noexcept {
  if (options == nullptr) return tell(EINVAL);
  const TlsClientOptions defaults;
  store_common_options(defaults, *options);
  options->verify = defaults.verify ? 1 : 0;
  options->request_ocsp = defaults.request_ocsp ? 1 : 0;
  return 0;
}

// --- certificates and contexts ---

char* EVTLSCERTIFICATE_make_self_signed(const char* const* names, size_t num_names,
                                        int days) noexcept try {
  const TlsCertificate made =
      evcoro::make_self_signed(to_strings(names, num_names, "make_self_signed(): names"), days);
  char* const text = copy_for_c(made.chain + made.key);
  if (text == nullptr) tell(ENOMEM);
  return text;
} catch (...) {
  tell_as_caught();
  return nullptr;
}

EVTLSCONTEXT* EVTLSCONTEXT_init_server(const EVTLSSERVER_OPTIONS* options) noexcept try {
  if (options == nullptr) return tell(EINVAL), nullptr;
  return new EVTLSCONTEXT{TlsContext{to_server_options(*options)}};
} catch (...) {
  tell_as_caught();
  return nullptr;
}

EVTLSCONTEXT* EVTLSCONTEXT_init_client(const EVTLSCLIENT_OPTIONS* options) noexcept try {
  return new EVTLSCONTEXT{
      TlsContext{options == nullptr ? TlsClientOptions{} : to_client_options(*options)}};
} catch (...) {
  tell_as_caught();
  return nullptr;
}

int EVTLSCONTEXT_free(EVTLSCONTEXT* context) noexcept {
  if (context == nullptr) return tell(EINVAL);
  delete context;
  return 0;
}

int EVTLSCONTEXT_reload(EVTLSCONTEXT* context) noexcept try {
  if (context == nullptr) return tell(EINVAL);
  context->context.reload();
  return 0;
} catch (...) {
  return tell_as_caught();
}

int EVTLSCONTEXT_rotate_ticket_keys(EVTLSCONTEXT* context) noexcept try {
  if (context == nullptr) return tell(EINVAL);
  context->context.rotate_ticket_keys();
  return 0;
} catch (...) {
  return tell_as_caught();
}

int EVTLSCONTEXT_is_server(EVTLSCONTEXT* context) noexcept {
  if (context == nullptr) return tell(EINVAL);
  return context->context.is_server() ? 1 : 0;
}

int EVTLSCONTEXT_counters(EVTLSCONTEXT* context, EVTLSCONTEXT_COUNTERS* counters) noexcept {
  if (context == nullptr || counters == nullptr) return tell(EINVAL);
  const TlsContext::Counters now = context->context.counters();
  *counters = EVTLSCONTEXT_COUNTERS{};
  counters->handshakes = now.handshakes;
  counters->resumed = now.resumed;
  counters->failed = now.failed;
  return 0;
}
