#include <ares.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/detail/resolver_libevent.hpp>

namespace evcoro::detail {
namespace {

std::error_code to_resolve_error(int status) noexcept {
  switch (status) {
    case ARES_SUCCESS:
      return {};
    case ARES_ENODATA:
      return ResolveErrc::no_data;
    case ARES_ENOTFOUND:
      return ResolveErrc::not_found;
    case ARES_ESERVFAIL:
      return ResolveErrc::server_failure;
    case ARES_EREFUSED:
      return ResolveErrc::refused;
    case ARES_ETIMEOUT:
      return ResolveErrc::timed_out;
    case ARES_ENOTIMP:
      return ResolveErrc::not_implemented;
    case ARES_EBADNAME:
      return ResolveErrc::bad_name;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
      return std::make_error_code(std::errc::operation_canceled);
    case ARES_ENOMEM:
      return system_error(ENOMEM);
    default:  // ARES_EBADRESP, ARES_EFORMERR, and what can't be
      return ResolveErrc::malformed;
  }
}

// Of servers that don't answer the question.
std::error_code to_server_error(int reply_code) noexcept {
  switch (reply_code) {
    case 2:
      return ResolveErrc::server_failure;
    case 4:
      return ResolveErrc::not_implemented;
    case 5:
      return ResolveErrc::refused;
    default:
      return ResolveErrc::no_server;
  }
}

bool is_negative(std::error_code error) noexcept {
  return error == ResolveErrc::not_found || error == ResolveErrc::no_data;
}

// Whether there is a route: a datagram socket that is connected sends nothing.
bool has_route_to(Address address) noexcept {
  const OwnedDescriptor probe{::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  address.set_port(53);
  return probe && ::connect(probe.get(), address.data(), address.size()) == 0;
}

// The name servers' answer, and how long it holds, in seconds.
int take_addresses(const ares_addrinfo& found, std::vector<Address>& addresses) {
  int ttl = found.nodes == nullptr ? 0 : found.nodes->ai_ttl;
  for (const ares_addrinfo_node* each = found.nodes; each != nullptr; each = each->ai_next) {
    addresses.emplace_back(each->ai_addr, each->ai_addrlen);
    ttl = std::min(ttl, each->ai_ttl);
  }
  for (const ares_addrinfo_cname* each = found.cnames; each != nullptr; each = each->next) {
    ttl = std::min(ttl, each->ttl);
  }
  return std::max(ttl, 0);
}

ResolverOptions clamp_options(ResolverOptions options) {
  for (auto* const each : {&options.server_timeout, &options.max_ttl, &options.negative_ttl,
                           &options.hosts_check_interval}) {
    *each = clamp_option(*each);
  }
  return options;
}

}  // namespace

void Question::answer(std::error_code with) noexcept {
  error = with;
  is_answered = true;
  is_reachable = !addresses.empty() && has_route_to(addresses.front());
  askers.for_each([](Asker& each) { each.waiter.wake(); });
}

// --- names ---

// Labels of 1 to 63 characters that are visible ASCII; see RFC 1035, 2.3.4. A backslash would mean
// something to c-ares.
Host::Host(std::string_view text) noexcept {
  std::size_t label = 0;
  const std::size_t most = max_size - (text.ends_with('.') ? 0 : 1);
  bool is_good = !text.empty() && text.size() <= most;
  for (std::size_t i = 0; is_good && i < text.size(); ++i) {
    const char c = text[i];
    is_good = c == '.' ? label != 0 : (c > ' ' && c < 0x7f && c != '\\' && label < 63);
    label = c == '.' ? 0 : label + 1;
    key_[size_++] = to_lower(c);
  }
  if (!is_good) error_ = ResolveErrc::bad_name;
}

std::string_view Host::key(int family) noexcept {
  key_[0] = family == AF_INET6 ? '6' : '4';
  return {key_, size_};
}

// --- the questions ---

struct ResolverState::Query {
  ResolverState& state;
  std::shared_ptr<Question> question;
};

ResolverState::ResolverState(LoopCore& core, const ResolverOptions& options)
    : core_(&core),
      options_(clamp_options(options)),
      hosts_(options_.hosts),
      channel_(std::make_unique<DnsChannel>(core, options_)) {
  core.add_client(*this);
}

ResolverState::~ResolverState() { close(); }

void ResolverState::on_loop_gone() noexcept {
  close();
  core_ = nullptr;
}

// In a child process the events are the parent's.
void ResolverState::close() noexcept {
  if (core_ != nullptr && core_->is_foreign()) static_cast<void>(channel_.release());
  channel_.reset();
  forget();
}

void ResolverState::forget() noexcept {
  kept_.for_each([this](Question& each) { drop(each); });
}

void ResolverState::drop(Question& question) noexcept {
  if (question.is_linked()) --cached_;
  question.unlink();
  questions_.erase(question.key);
}

TimePoint ResolverState::expiry(std::chrono::nanoseconds time) const noexcept {
  return corothread::read_clock() + std::min<std::chrono::nanoseconds>(time, options_.max_ttl);
}

void ResolverState::check_hosts(TimePoint now) {
  if (now < next_hosts_check_) return;
  if (hosts_.refresh()) forget();
  next_hosts_check_ = now + options_.hosts_check_interval;
}

std::shared_ptr<Question> ResolverState::find(std::string_view key, TimePoint now) {
  check_hosts(now);
  if (const auto found = questions_.find(key); found != questions_.end()) {
    Question& question = *found->second;
    if (!question.is_answered) return found->second;
    if (now < question.expires) {
      question.unlink();
      kept_.push_back(question);
      return found->second;
    }
    drop(question);
  }
  auto question = std::make_shared<Question>();
  question->key = key;
  questions_.emplace(question->key, question);
  try {
    if (answer_from_hosts(*question)) {
      keep_or_drop(*question);
    } else {
      ask(question);
    }
  } catch (...) {
    questions_.erase(question->key);  // or others would wait for its answer
    throw;
  }
  return question;
}

// A name that the file has is not asked for elsewhere, for neither family.
bool ResolverState::answer_from_hosts(Question& question) {
  std::string name = question.key.substr(1);
  if (name.ends_with('.')) name.pop_back();
  const std::vector<Address>* const found = hosts_.find(name);
  if (found == nullptr) return false;
  const int family = question.key[0] == '6' ? AF_INET6 : AF_INET;
  std::copy_if(found->begin(), found->end(), std::back_inserter(question.addresses),
               [&](const Address& each) { return each.family() == family; });
  question.expires = never;  // it goes when the file changes
  question.answer(question.addresses.empty() ? make_error_code(ResolveErrc::no_data)
                                             : std::error_code{});
  return true;
}

void ResolverState::ask(const std::shared_ptr<Question>& question) {
  const int family = question->key[0] == '6' ? AF_INET6 : AF_INET;
  auto* const query = new Query{*this, question};
  channel_->ask(question->key.c_str() + 1, family, on_answer, query);
}

void ResolverState::on_answer(void* query, int status, int, ares_addrinfo* found) {
  const std::unique_ptr<Query> owned{static_cast<Query*>(query)};
  Question& question = *owned->question;
  ResolverState& state = owned->state;
  std::error_code error = status == ARES_ECONNREFUSED
                              ? to_server_error(state.channel_->reply_code())
                              : to_resolve_error(status);
  try {
    std::chrono::nanoseconds ttl{0};
    if (is_negative(error)) ttl = state.options_.negative_ttl;
    if (found != nullptr) ttl = std::chrono::seconds{take_addresses(*found, question.addresses)};
    question.expires = state.expiry(ttl);
  } catch (const std::bad_alloc&) {
    error = system_error(ENOMEM);
  }
  if (found != nullptr) ::ares_freeaddrinfo(found);
  if (!error && question.addresses.empty()) error = ResolveErrc::no_data;
  question.answer(error);
  state.keep_or_drop(question);
}

// What can't be kept is known only to those that wait for it.
void ResolverState::keep_or_drop(Question& question) {
  const bool is_useful = !question.error || is_negative(question.error);
  if (!is_useful || options_.cache_size == 0 || question.expires <= corothread::read_clock()) {
    drop(question);
    return;
  }
  while (cached_ >= options_.cache_size) drop(kept_.front());
  kept_.push_back(question);
  ++cached_;
}

// --- what a call wants to know ---

std::error_code Inquiry::start(ResolverState& state, std::string_view name, int family) {
  if (family != AF_UNSPEC && family != AF_INET && family != AF_INET6) {
    return system_error(EAFNOSUPPORT);
  }
  Host host{name};
  if (host.error()) return host.error();
  const TimePoint now = corothread::read_clock();
  if (family != AF_INET) questions_[0] = state.find(host.key(AF_INET6), now);
  if (family != AF_INET6) questions_[1] = state.find(host.key(AF_INET), now);
  for (std::size_t i = 0; i < questions_.size(); ++i) {
    if (questions_[i] != nullptr && !questions_[i]->is_answered) {
      questions_[i]->askers.push_back(askers_[i]);
    }
  }
  return {};
}

bool Inquiry::is_answered() const noexcept {
  return std::all_of(questions_.begin(), questions_.end(),
                     [](const auto& each) { return each == nullptr || each->is_answered; });
}

std::vector<Address> Inquiry::addresses(std::uint16_t port) const {
  const Question* first = questions_[0].get();
  const Question* second = questions_[1].get();
  if (first == nullptr || (second != nullptr && second->is_reachable && !first->is_reachable)) {
    std::swap(first, second);
  }
  std::vector<Address> all;
  all.reserve(first->addresses.size() + (second == nullptr ? 0 : second->addresses.size()));
  for (const Question* const each : {first, second}) {
    if (each != nullptr) all.insert(all.end(), each->addresses.begin(), each->addresses.end());
  }
  for (Address& each : all) each.set_port(port);
  return all;
}

// That a server fails says more than that there is nothing of one family.
std::error_code Inquiry::error() const noexcept {
  const auto weight = [](std::error_code error) {
    if (!error) return 0;
    if (error == ResolveErrc::not_found) return 1;
    return error == ResolveErrc::no_data ? 2 : 3;
  };
  std::error_code worst;
  for (const auto& each : questions_) {
    if (each != nullptr && weight(each->error) > weight(worst)) worst = each->error;
  }
  return worst;
}

}  // namespace evcoro::detail
