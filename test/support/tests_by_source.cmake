# Runs after a Catch2 program was built and writes, for ctest, one test of each source's cases:
#   cmake -DPROGRAM=... -DNAME=... -DPROPERTIES=... -DOUT=... -P tests_by_source.cmake
# Catch2 knows from which source a case comes: its tag is [#source]. The status is how many tags.
execute_process(COMMAND ${PROGRAM} -\# --list-tags OUTPUT_VARIABLE text RESULT_VARIABLE count)
string(REGEX MATCHALL "#[A-Za-z0-9_.-]+" tags "${text}")
if(NOT count MATCHES "^[1-9][0-9]*$" OR NOT tags)
  message(FATAL_ERROR "${PROGRAM} lists no sources of its cases (${count}): ${text}")
endif()
set(script "")
foreach(tag ${tags})
  string(SUBSTRING "${tag}" 1 -1 source)
  string(APPEND script "add_test(\"${NAME}:${source}\" \"${PROGRAM}\" \"-#\" \"[${tag}]\")\n"
    "set_tests_properties(\"${NAME}:${source}\" PROPERTIES ${PROPERTIES})\n")
endforeach()
file(WRITE "${OUT}" "${script}")
