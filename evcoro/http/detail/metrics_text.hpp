// MetricsText: Prometheus' text format, 0.0.4.
//
//   MetricsText text;
//   text.add({"jobs_total", "counter", "Jobs that were done."}, {{"kind", "mail"}}, 17);
//   text.write()     // # HELP jobs_total ...
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <evcoro/http/metrics.hpp>
#include <stacks/export.hpp>

namespace evcoro::http::detail {

class EVCORO_API MetricsText {
 public:
  struct Family {
    std::string_view name;
    std::string_view type;
    std::string_view help;
  };

  // add() adds a sample; those of a family come together, whenever they are added. suffix is behind
  // the family's name: a histogram's samples have one.
  void add(const Family& family, const Labels& labels, double value, std::string_view suffix = {});

  std::string write() const;

 private:
  struct Samples {
    std::string head;
    std::string lines;
  };
  std::map<std::string, Samples, std::less<>> families_;
};

// to_metric_number() writes a number as it is in a sample, and in a label.
EVCORO_API std::string to_metric_number(double value);

// is_metric_name() says so of text; that of a label has no ":".
EVCORO_API bool is_metric_name(std::string_view text, bool is_label) noexcept;

}  // namespace evcoro::http::detail
