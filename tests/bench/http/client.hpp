// The connections of the HTTP client, with TLS or without.
//
//   Target target{.port = port, .request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"};
//   HttpConnection connection{target, 0};
//   connection.send_request();
//   while (connection.receive_some() == 0) continue;
//
// Sockets never block; what has to wait spins, as load_client.hpp says.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tests/bench/load_client.hpp"

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using Ssl = std::unique_ptr<SSL, FreeSsl>;
using SslContext = std::unique_ptr<SSL_CTX, FreeSsl>;
using SslSession = std::unique_ptr<SSL_SESSION, FreeSsl>;

// Target is what is asked, and of whom.
struct Target {
  std::uint16_t port = 0;
  std::string request;
  SslContext context = {};  // if it speaks TLS
  std::size_t answer = 0;   // bytes of an answer, all are alike; 0: there was none yet
};

class HttpConnection {
 public:
  // Connects, and shakes hands if it is TLS, resuming session if there is one. source is a number
  // of its own for each connection, so that there are enough ports.
  HttpConnection(Target& target, std::size_t source, SSL_SESSION* session = nullptr);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  int fd() const { return fd_; }
  SSL* ssl() const { return ssl_.get(); }

  // send_request() sends a whole request, which can't but fit the socket's buffer.
  void send_request();

  // receive_some() takes what is there, and returns how many answers it completes. They have to say
  // 200.
  std::size_t receive_some();

  // end() says goodbye, and waits for the peer's.
  void end();

  bool was_resumed() const { return SSL_session_reused(ssl_.get()) == 1; }

 private:
  void shake_hands(SSL_SESSION* session);
  std::size_t receive(char* buffer, std::size_t size);  // 0: nothing is there
  void learn_size();

  Target& target_;
  int fd_;
  Ssl ssl_;
  std::string head_;  // of the answer, as long as its size isn't known
  std::size_t received_ = 0;
};
