# evcoro_add_library(<layer> SOURCES ... HEADERS ... [HISTORIC_HEADERS ...] [LINK ...] [PRIVATE_LINK ...])
#
# A layer is one library: target evcoro_<layer>, alias evcoro::<layer>, file libevcoro_<layer>.so
# (libevcoro.so for the layer evcoro). The repository root is its include directory. Its directory
# compat/ is another, for headers under the names that they had once.
#
# evcoro_compile_options(<target>): the warnings, sanitizers and hardening that all our own code has.
#
# evcoro_program_options(<target>): these, for a program that uses the libraries.

include_guard(GLOBAL)

# What a C program must link with that uses a static library of ours.
set(evcoro_cxx_runtime ${CMAKE_CXX_IMPLICIT_LINK_LIBRARIES})
list(REMOVE_ITEM evcoro_cxx_runtime ${CMAKE_C_IMPLICIT_LINK_LIBRARIES})

function(evcoro_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF C_STANDARD 11 C_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow
    $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
    $<$<BOOL:${EVCORO_WARNINGS_AS_ERRORS}>:-Werror>
    -fstack-clash-protection)  # a frame that is larger than the guard can't jump it
  if(EVCORO_SANITIZE STREQUAL "address")
    set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  elseif(EVCORO_SANITIZE STREQUAL "thread")
    set(sanitize -fsanitize=thread)
  elseif(EVCORO_SANITIZE)
    message(FATAL_ERROR "EVCORO_SANITIZE=${EVCORO_SANITIZE}: give address, thread, or nothing")
  endif()
  if(EVCORO_SANITIZE)
    # clang gives a program in C no run-time for what it checks in the libraries' C++.
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX)
  endif()
  target_compile_options(${target} PRIVATE ${sanitize})
  # now: binding a function at its first call takes kilobytes of stack, which may be a coroutine's.
  target_link_options(${target} PRIVATE ${sanitize} -Wl,-z,now)
endfunction()

function(evcoro_program_options target)
  evcoro_compile_options(${target})
  # A program that is built for a sanitizer is built to be run once: it is its build time that counts.
  if(EVCORO_SANITIZE)
    target_compile_options(${target} PRIVATE -O0 -g1)
  endif()
endfunction()

function(evcoro_add_library layer)
  cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;HISTORIC_HEADERS;LINK;PRIVATE_LINK" ${ARGN})
  set(target evcoro_${layer})
  add_library(${target} ${arg_SOURCES})
  add_library(evcoro::${layer} ALIAS ${target})
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${arg_HEADERS})
  if(arg_HISTORIC_HEADERS)
    target_sources(${target} PUBLIC FILE_SET historic TYPE HEADERS BASE_DIRS compat
      FILES ${arg_HISTORIC_HEADERS})
  endif()
  target_link_libraries(${target} PUBLIC ${arg_LINK} PRIVATE ${arg_PRIVATE_LINK})
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    target_link_libraries(${target} INTERFACE "$<$<LINK_LANGUAGE:C>:${evcoro_cxx_runtime}>")
  endif()
  evcoro_compile_options(${target})
  # initial-exec: the per-OS-thread state is one segment-relative load away; the libraries are to be
  # linked, not loaded by dlopen().
  # no-semantic-interposition: our exported functions call each other directly.
  target_compile_options(${target} PRIVATE
    -ftls-model=initial-exec -fno-plt -fno-semantic-interposition
    # Where sources are built together, g++ takes their anonymous namespaces for those of headers.
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wno-subobject-linkage>)
  set_target_properties(${target} PROPERTIES
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON
    DEFINE_SYMBOL ""  # shared and static libraries have the same object files
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    EXPORT_NAME ${layer})
  if(layer STREQUAL "evcoro")
    set_target_properties(${target} PROPERTIES OUTPUT_NAME evcoro)
  endif()
  if(EVCORO_INSTALL)
    evcoro_install_library(${target})
  endif()
endfunction()
