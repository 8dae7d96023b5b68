// How the allocator is to behave, where it is jemalloc. The agent lives for months with millions of
// small objects, and every so often builds its whole table beside them: glibc's heap keeps a third
// more than is in use for good, and one arena that gives back at once costs no time that shows.
#include <jemalloc/jemalloc.h>

/// Read by jemalloc before main(): jemalloc(3), "TUNING".
const char* malloc_conf = "narenas:1,dirty_decay_ms:0,muzzy_decay_ms:0";
