# Writes a header with the version of what is being built: cmake -D... -P version.cmake
#   SOURCE_DIR  the source tree, FALLBACK  the version when there is no git, IN and OUT  the header,
#   ..._VERSION  what else it says.
# A tag v1.2.3 gives 1.2.3, five commits later 1.2.3-5-gabcdef0; before the first tag it is
# FALLBACK+gabcdef0. "-dirty" is appended when tracked files differ from the commit.
find_package(Git QUIET)
set(VERSION ${FALLBACK})

# safe.directory: `sudo test/run` builds as root in a tree that belongs to somebody else.
function(git_output variable)
  set(${variable} "" PARENT_SCOPE)
  if(NOT GIT_EXECUTABLE OR NOT EXISTS ${SOURCE_DIR}/.git)
    return()
  endif()
  execute_process(
    COMMAND ${GIT_EXECUTABLE} -c safe.directory=* -C ${SOURCE_DIR} describe --dirty ${ARGN}
    OUTPUT_VARIABLE output OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status ERROR_QUIET)
  if(status EQUAL 0)
    set(${variable} "${output}" PARENT_SCOPE)
  endif()
endfunction()

git_output(TAGGED --tags --match "v[0-9]*")
if(TAGGED)
  string(REGEX REPLACE "^v" "" VERSION "${TAGGED}")
else()
  git_output(COMMIT --always --abbrev=7 --exclude "*")
  if(COMMIT)
    set(VERSION "${FALLBACK}+g${COMMIT}")
  endif()
endif()

# configure_file leaves an unchanged file alone, so that nothing is rebuilt without need.
configure_file(${IN} ${OUT} @ONLY)
