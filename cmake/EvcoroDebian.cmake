# `cpack` makes two Debian packages: one of the shared libraries, named after their soname, and one of
# what it takes to build with them. build-scripts/package.sh configures a build for that, and runs it.

include_guard(GLOBAL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME evcoro)
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "evcoro developers <developers@evcoro.invalid>")
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_MULTIARCH same)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(description "evcoro runs network code that is written as plain blocking code: each
connection is a coroutine with a stack of its own, parked on events of a
libevent event_base, its own or the application's. The pool of stacks is the
limit of connections.
.
This package has")

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libevcoro${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "${description} the shared libraries.")
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_BINARY_DIR}/triggers)

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libevcoro-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
  "${CPACK_DEBIAN_RUNTIME_PACKAGE_NAME} (= ${PROJECT_VERSION}), libc-ares-dev (>= 1.18), libevent-dev (>= 2.1), libssl-dev (>= 3.0), zlib1g-dev")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "${description} what it takes to build with evcoro in C++20 or C: headers,
and files for CMake and pkg-config.")

# What every package must have in the folder of its name. `cmake --install` does without.
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(cmake/changelog.in changelog @ONLY)
file(ARCHIVE_CREATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz
  PATHS ${CMAKE_CURRENT_BINARY_DIR}/changelog
  FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
foreach(component IN ITEMS runtime development)
  string(TOUPPER ${component} prefix)
  set(folder ${CMAKE_INSTALL_DATAROOTDIR}/doc/${CPACK_DEBIAN_${prefix}_PACKAGE_NAME})
  install(FILES LICENSE RENAME copyright
    DESTINATION ${folder} COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz
    DESTINATION ${folder} COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()

include(CPack)
