// DnsServer: a name server of the test's own, by UDP and TCP on one port of 127.0.0.1, in an OS
// thread.
//
//   support::DnsServer server;
//   server.set("here.test", {.addresses = {"192.0.2.1", "2001:db8::1"}});
//   Resolver resolver{*loop, {.servers = server.name()}};
//   ...
//   REQUIRE(server.questions("here.test") == 2);
//
// A name that is not set doesn't exist; one that has no address of the type asked for has no data.
#pragma once

#include <arpa/inet.h>
#include <poll.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <support/network.hpp>

namespace support {

struct DnsReply {
  std::vector<std::string> addresses = {};
  std::uint32_t ttl = 60;
  int code = 0;               // 2: SERVFAIL, 4: NOTIMP, 5: REFUSED
  std::string alias_of = {};  // a CNAME before the addresses, of the same TTL
  bool is_silent = false;     // there is no answer; on TCP, too
  bool by_tcp = false;        // by UDP it is truncated
  bool is_cut = false;        // it ends before what its header promises
  bool is_noise = false;      // it has nothing to do with the question
  bool only_ipv4 = false;     // questions for others than A get no answer
  std::string padding = {};   // follows the answer
};

class DnsServer {
 public:
  explicit DnsServer(std::uint16_t port = 0)
      : tcp_(AF_INET, 128, port), thread_([this] { serve(); }) {}
  ~DnsServer() {
    release();
    stopping_ = true;
    ::shutdown(tcp_.get(), SHUT_RDWR);  // ends the wait for it; a datagram might get lost
    thread_.join();
  }

  std::string name() const { return tcp_.address().to_string(); }

  void set(const std::string& name, DnsReply reply) {
    const std::lock_guard lock{mutex_};
    replies_[name] = std::move(reply);
  }

  // questions() is how often name was asked for, by UDP or TCP.
  int questions(const std::string& name, bool tcp = false) {
    const std::lock_guard lock{mutex_};
    return counts_[{name, tcp}];
  }

  // Between hold() and release() questions are counted, and their answers wait.
  void hold() {
    const std::lock_guard lock{mutex_};
    is_held_ = true;
  }
  void release() {
    const std::lock_guard lock{mutex_};
    is_held_ = false;
    released_.notify_all();
  }

 private:
  static RawSocket open_udp(const evcoro::Address& address) {
    RawSocket socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    if (::bind(socket.get(), address.data(), address.size()) != 0) throw_errno("bind");
    return socket;
  }

  static void put16(std::string& to, std::size_t value) {
    to += static_cast<char>(value >> 8);
    to += static_cast<char>(value);
  }

  static std::string encoded(std::string_view name) {
    std::string out;
    while (!name.empty()) {
      const auto label = name.substr(0, name.find('.'));
      out += static_cast<char>(label.size());
      out += label;
      name.remove_prefix(std::min(label.size() + 1, name.size()));
    }
    return out + '\0';
  }

  static void put_record(std::string& to, const std::string& owner, std::size_t type,
                         std::uint32_t ttl, const std::string& data) {
    to += owner;
    put16(to, type);
    put16(to, 1);
    put16(to, ttl >> 16);
    put16(to, ttl & 0xffff);
    put16(to, data.size());
    to += data;
  }

  // "" is no answer.
  std::string answer(const std::string& question, bool tcp) {
    std::string name;
    std::size_t at = 12;
    while (at < question.size() && question[at] != '\0') {
      const auto size = static_cast<std::size_t>(question[at]);
      name += (name.empty() ? "" : ".") + question.substr(at + 1, size);
      at += size + 1;
    }
    if (at + 5 > question.size()) return "";
    const auto type = static_cast<std::size_t>(question[at + 2]);
    std::unique_lock lock{mutex_};
    ++counts_[{name, tcp}];
    released_.wait(lock, [&] { return !is_held_; });
    const auto found = replies_.find(name);
    const DnsReply reply = found == replies_.end() ? DnsReply{.code = 3} : found->second;
    lock.unlock();
    if (reply.is_silent || (reply.only_ipv4 && type != 1)) return "";
    return build(question.substr(0, 2), question.substr(12, at + 5 - 12), type, reply, tcp);
  }

  static std::string build(const std::string& id, const std::string& question, std::size_t type,
                           const DnsReply& reply, bool tcp) {
    const bool is_truncated = reply.by_tcp && !tcp;
    std::string records;
    std::size_t count = 0;
    std::string owner = "\xc0\x0c";
    if (!reply.alias_of.empty()) {
      put_record(records, owner, 5, reply.ttl, encoded(reply.alias_of));
      owner = encoded(reply.alias_of);
      ++count;
    }
    for (const std::string& each : reply.addresses) {
      const bool is_ipv6 = each.find(':') != std::string::npos;
      if (is_truncated || type != (is_ipv6 ? 28U : 1U)) continue;
      std::string data(is_ipv6 ? 16 : 4, '\0');
      ::inet_pton(is_ipv6 ? AF_INET6 : AF_INET, each.c_str(), data.data());
      put_record(records, owner, type, reply.ttl, data);
      ++count;
    }
    std::string packet = reply.is_noise ? "??" : id;
    put16(packet, 0x8180U | (is_truncated ? 0x200U : 0U) | static_cast<std::size_t>(reply.code));
    put16(packet, 1);
    put16(packet, count + (reply.is_cut ? 3 : 0));
    put16(packet, 0);
    put16(packet, 0);
    return packet + question + records + reply.padding;
  }

  void serve() {
    pollfd ready[] = {{udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
    while (!stopping_) {
      ::poll(ready, 2, -1);
      if (ready[0].revents != 0) serve_datagram();
      if (ready[1].revents != 0) serve_connection();
    }
  }

  void serve_datagram() {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    std::string question(65536, '\0');
    auto* const address = reinterpret_cast<sockaddr*>(&from);
    const ssize_t count =
        ::recvfrom(udp_.get(), question.data(), question.size(), MSG_DONTWAIT, address, &size);
    if (count <= 0) return;
    question.resize(static_cast<std::size_t>(count));
    const std::string reply = answer(question, false);
    if (!reply.empty()) ::sendto(udp_.get(), reply.data(), reply.size(), 0, address, size);
  }

  // One question; the connection is closed when the client does.
  void serve_connection() try {
    const RawSocket client = tcp_.accept();
    while (true) {
      const std::string head = client.recv_all(2);
      if (head.size() < 2) return;
      const std::size_t size =
          static_cast<unsigned char>(head[0]) * 256U + static_cast<unsigned char>(head[1]);
      const std::string reply = answer(client.recv_all(size), true);
      if (reply.empty()) continue;
      std::string framed;
      put16(framed, reply.size());
      client.send(framed + reply);
    }
  } catch (const std::system_error&) {  // it has gone
  }

  Listener tcp_;
  RawSocket udp_ = open_udp(tcp_.address());
  std::mutex mutex_;
  std::condition_variable released_;
  bool is_held_ = false;
  std::map<std::string, DnsReply> replies_;
  std::map<std::pair<std::string, bool>, int> counts_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace support
