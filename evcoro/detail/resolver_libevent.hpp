// ResolverState: what a Resolver points to: the questions that are being asked and the answers that
// are kept.
//
//   Inquiry (a call of resolve() or connect())  -->  one Question each for AF_INET6 and AF_INET
//   Question  -->  in questions_ while it is asked, and as long as its answer is kept
//             -->  the Askers that wait for it
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <evcoro/detail/dns_channel_libevent.hpp>
#include <evcoro/detail/hosts_file.hpp>
#include <evcoro/detail/waiter.hpp>
#include <evcoro/net/resolver.hpp>
#include <stacks/intrusive_list.hpp>

namespace evcoro::detail {

struct Asker : stacks::ListLink {
  explicit Asker(Waiter& its_waiter) noexcept : waiter(its_waiter) {}
  Waiter& waiter;
};

// Question is linked while its answer is kept.
struct Question : stacks::ListLink {
  std::string key;  // the family's initial, and the name
  bool is_answered = false;
  bool is_reachable = false;  // the first of addresses
  std::error_code error;
  std::vector<Address> addresses;  // of port 0
  TimePoint expires{};
  stacks::IntrusiveList<Asker> askers;

  void answer(std::error_code with) noexcept;
};

// Host is a name as a user gives it, looked at.
class Host {
 public:
  explicit Host(std::string_view text) noexcept;

  std::error_code error() const noexcept { return error_; }
  std::string_view key(int family) noexcept;

 private:
  static constexpr std::size_t max_size = 254;  // with a dot at its end

  std::error_code error_;
  std::size_t size_ = 1;
  char key_[1 + max_size];
};

class ResolverState final : public LoopClient {
 public:
  ResolverState(LoopCore& core, const ResolverOptions& options);
  ~ResolverState();

  std::error_code admit() const noexcept { return detail::admit(core_); }
  LoopCore* core() const noexcept { return core_; }

  // find() is the question, asked already or now.
  std::shared_ptr<Question> find(std::string_view key, TimePoint now);

  // close() answers all questions: operation_canceled.
  void close() noexcept;
  void forget() noexcept;
  std::size_t cached() const noexcept { return cached_; }

 private:
  struct Query;

  static void on_answer(void* query, int status, int, ares_addrinfo* found);
  void on_loop_gone() noexcept override;
  void check_hosts(TimePoint now);
  bool answer_from_hosts(Question& question);
  void ask(const std::shared_ptr<Question>& question);
  void keep_or_drop(Question& question);
  void drop(Question& question) noexcept;
  TimePoint expiry(std::chrono::nanoseconds time) const noexcept;

  LoopCore* core_;
  const ResolverOptions options_;
  HostsFile hosts_;
  TimePoint next_hosts_check_{};
  std::unordered_map<std::string_view, std::shared_ptr<Question>> questions_;
  stacks::IntrusiveList<Question> kept_;  // the one used last is the last
  std::size_t cached_ = 0;
  std::unique_ptr<DnsChannel> channel_;
};

// Inquiry is what one call wants to know. It lives in the frame of the thread that waits.
class Inquiry {
 public:
  explicit Inquiry(Waiter& waiter) noexcept : askers_{Asker{waiter}, Asker{waiter}} {}

  // start() asks for one family, or for both.
  std::error_code start(ResolverState& state, std::string_view name, int family);

  // Of the two questions, AF_INET6 comes first; nullptr if it is not asked.
  const Question* question(std::size_t index) const noexcept { return questions_[index].get(); }
  bool is_answered() const noexcept;

  // What the answers are together: addresses with this port, or the error that says most.
  std::vector<Address> addresses(std::uint16_t port) const;
  std::error_code error() const noexcept;

 private:
  std::array<std::shared_ptr<Question>, 2> questions_;
  std::array<Asker, 2> askers_;
};

}  // namespace evcoro::detail
