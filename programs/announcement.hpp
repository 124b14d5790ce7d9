// What the server says when it has begun: where it listens, and what to type.
#pragma once

#include <memory>
#include <vector>

#include <programs/service.hpp>
#include <programs/settings.hpp>

namespace programs {

using Services = std::vector<std::unique_ptr<Service>>;

// announce() writes it to standard output.
void announce(const Settings& settings, const Services& services);

}  // namespace programs
