#pragma once

namespace podfence {

/// Takes the program's code out of this process' resident memory; what is needed comes back from
/// the page cache, at a microsecond a page. For a process that has just done once what it will not
/// do again: of the code that reads options, loads certificates and lists a cluster, most is not
/// run any more. On failure nothing happens.
void let_go_of_startup_code();

}  // namespace podfence
