#pragma once

namespace podfence {

/// Takes out of this process' resident memory what it has of its program's and libraries' files and
/// did not change: code, constants, and what the loader reads. What is needed comes back from the
/// page cache, at a microsecond a page. For a process that has just done once what it will not do
/// again: of what links a program, reads options, loads certificates and lists a cluster, most is
/// not needed any more. On failure nothing happens.
void let_go_of_startup_pages();

}  // namespace podfence
