#include "nft/error.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

namespace podfence::nft {

std::string to_string(const Error& error) {
    std::string text = error.doing;
    if (error.code == Errc::owned) return text + ": another process owns the table";
    if (error.os_error != 0) {
        text += ": " + std::generic_category().message(error.os_error);
    }
    return text;
}

Errc classify(int os_error) {
    switch (os_error) {
        case EPERM:
        case EACCES:
            return Errc::not_permitted;
        case EPROTONOSUPPORT:
        case EAFNOSUPPORT:
        case EOPNOTSUPP:
            return Errc::not_supported;
        case ENOENT:
            return Errc::not_found;
        case EEXIST:
            return Errc::exists;
        case EBUSY:
            return Errc::busy;
        case ERESTART:
            return Errc::stale;
        case EINTR:
            return Errc::interrupted;
        case ENOBUFS:
            return Errc::overrun;
        case EMSGSIZE:
            return Errc::too_big;
        case ENOMEM:
            return Errc::no_memory;
        case ENFILE:
        case ENOSPC:
            return Errc::full;
        default:
            return Errc::rejected;
    }
}

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
    throw std::logic_error("unchecked result at " + where.to_string() + ": " + to_string(error));
}

void check_failed(const char* expression, const char* file, int line) {
    std::fprintf(stderr, "podfence: %s:%d: broken invariant: %s\n", file, line, expression);
    std::abort();
}

}  // namespace podfence::nft
