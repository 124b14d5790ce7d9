# cmake -D SOURCE=<folder> -D OUTPUT=<file.cpp> -P embed_page.cmake: makes status_page/ one document,
# and that a string in C++.
file(READ ${SOURCE}/page.html page)
file(READ ${SOURCE}/style.css style)
file(READ ${SOURCE}/script.js script)
string(REPLACE "@STYLE@" "${style}" page "${page}")
string(REPLACE "@SCRIPT@" "${script}" page "${page}")
file(WRITE ${OUTPUT} "#include <programs/status_page.hpp>\n
const std::string_view programs::status_page = R\"page(${page})page\";\n")
