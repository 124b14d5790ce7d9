// The site: what HTTP and HTTPS answer.
//
//   /status          the page that shows the live state; also at / if no files are served there
//   /status.json     the state, once
//   /status/events   the state, once a second, as server-sent events
//   /metrics         for Prometheus
//   /healthz         "ok", or 503 while the server drains
//   /                the files of --root
#pragma once

#include <evcoro/http/health.hpp>
#include <evcoro/http/metrics.hpp>
#include <evcoro/http/router.hpp>
#include <programs/settings.hpp>
#include <programs/status.hpp>

namespace programs {

// make_site() makes the router. The status outlives it. Throws std::system_error if the folder
// can't be opened.
evcoro::http::Router make_site(const Settings& settings, const Status& status,
                               const evcoro::http::Metrics& metrics,
                               const evcoro::http::Health& health);

}  // namespace programs
