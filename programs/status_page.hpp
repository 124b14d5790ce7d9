// The status page: one document in HTML that loads nothing else. CMake makes it of the files in
// status_page/; each @NONCE@ in it is a place for the number of its Content-Security-Policy.
#pragma once

#include <string_view>

namespace programs {

extern const std::string_view status_page;

}  // namespace programs
