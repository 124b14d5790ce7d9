# evcoro_install_library(<target>): the library for who runs what was linked with it (component
# runtime), and all that linking takes (component development).
#
# evcoro_install_package(): the files by which others find what is installed.

include_guard(GLOBAL)
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(evcoro_cmake_directory ${CMAKE_INSTALL_LIBDIR}/cmake/evcoro)

function(evcoro_install_library target)
  get_target_property(header_sets ${target} INTERFACE_HEADER_SETS)
  set(headers "")
  foreach(set IN LISTS header_sets)
    list(APPEND headers
      FILE_SET ${set} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
  endforeach()
  install(TARGETS ${target} EXPORT evcoro
    LIBRARY COMPONENT runtime NAMELINK_COMPONENT development
    ARCHIVE COMPONENT development
    ${headers})
endfunction()

function(evcoro_install_package)
  install(EXPORT evcoro NAMESPACE evcoro:: DESTINATION ${evcoro_cmake_directory}
    FILE evcoroTargets.cmake COMPONENT development)
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/evcoroConfig.cmake.in evcoroConfig.cmake
    INSTALL_DESTINATION ${evcoro_cmake_directory})
  write_basic_package_version_file(evcoroConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/evcoroConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/evcoroConfigVersion.cmake
    DESTINATION ${evcoro_cmake_directory} COMPONENT development)
  if(EVCORO_BUILD_LOOP)
    evcoro_install_pkg_config()
  endif()
endfunction()

# evcoro_flags(<result> <option> [<value>...]): the values as options; none if the value is what
# get_target_property() says when there is none.
function(evcoro_flags result option)
  list(FILTER ARGN EXCLUDE REGEX "-NOTFOUND$")
  list(TRANSFORM ARGN PREPEND ${option})
  list(JOIN ARGN " " flags)
  set(${result} ${flags} PARENT_SCOPE)
endfunction()

function(evcoro_install_pkg_config)
  set(directory ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
  # From the file's own place, so that it is right wherever the tree is installed or moved to.
  file(RELATIVE_PATH path_to_prefix ${directory} ${CMAKE_INSTALL_PREFIX})
  string(REGEX REPLACE "/$" "" path_to_prefix ${path_to_prefix})
  get_target_property(definitions evcoro_corothread INTERFACE_COMPILE_DEFINITIONS)
  evcoro_flags(definitions -D ${definitions})
  evcoro_flags(cxx_runtime -l ${evcoro_cxx_runtime})
  evcoro_install_pc_file(evcoro evcoro.pc.in)
  if(TARGET evcoro_tls)
    evcoro_install_layer_pc_file(tls "TLS for evcoro, by OpenSSL" "libssl >= 3.0, libcrypto >= 3.0")
  endif()
  if(TARGET evcoro_http)
    evcoro_install_layer_pc_file(http "HTTP for evcoro, on llhttp" "zlib")
  endif()
endfunction()

# evcoro_install_layer_pc_file(<layer> <description> <private requirements>): of a layer above evcoro.
function(evcoro_install_layer_pc_file layer description requires)
  evcoro_install_pc_file(evcoro-${layer} evcoro-layer.pc.in)
endfunction()

# evcoro_install_pc_file(<module> <template>)
function(evcoro_install_pc_file module template)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${template} ${module}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${module}.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
endfunction()
