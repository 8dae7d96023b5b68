#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <boost/system/result.hpp>

namespace podfence::nft {

/// What went wrong, by what the caller can do about it and not by errno.
enum class Errc : std::uint8_t {
    not_permitted,  ///< EPERM, EACCES: CAP_NET_ADMIN is missing in this network namespace.
    owned,          ///< EPERM of one operation: another socket owns the table (NFT_TABLE_F_OWNER).
    not_supported,  ///< The kernel lacks nf_tables or a feature of it (EPROTONOSUPPORT,
                    ///< EOPNOTSUPP).
    not_found,      ///< ENOENT: something the batch refers to is gone; the view is stale (drift).
    exists,       ///< EEXIST: something the batch adds is there already; the view is stale (drift).
    busy,         ///< EBUSY: an object that is still referenced was to be deleted.
    stale,        ///< ERESTART: the ruleset's generation is not the one the batch was made for.
    interrupted,  ///< A dump was interrupted by a change more often than the limit allows.
    overrun,      ///< ENOBUFS: answers were lost; whether the batch took effect is unknown.
    too_big,      ///< EMSGSIZE: the batch exceeds the socket's send buffer and cannot be split.
    no_memory,    ///< ENOMEM.
    full,         ///< ENFILE, ENOSPC: a set of declared size is full.
    rejected,     ///< Any other refusal of one operation (EINVAL, ELOOP, EMLINK...).
    malformed,    ///< The kernel sent what cannot be decoded.
    io,           ///< The socket failed.
};

/// An error that says what was being done. `op` is the index of the refused operation in the batch,
/// `object` the set, map or chain that it is about, where a commit of more than one batch failed.
struct Error {
    Errc code{};
    int os_error = 0;  ///< errno as the kernel gave it, 0 when there was none.
    std::string doing;
    std::optional<std::size_t> op{};
    std::string object{};

    friend bool operator==(const Error&, const Error&) = default;
};

/// One line for a person, e.g. "commit to inet podfence: Operation not permitted".
std::string to_string(const Error& error);

/// The class of an errno given back by nfnetlink.
Errc classify(int os_error);

template <class T>
using Result = boost::system::result<T, Error>;

/// Found by argument-dependent lookup when `.value()` is called on an error (a bug of the caller).
[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& where);

/// Reports the broken invariant on stderr and aborts; stays on in release builds.
[[noreturn]] void check_failed(const char* expression, const char* file, int line);

}  // namespace podfence::nft

/// An invariant whose violation is a bug of ours: stays on in release builds.
#define PODFENCE_CHECK(expression)       \
    ((expression) ? static_cast<void>(0) \
                  : ::podfence::nft::check_failed(#expression, __FILE__, __LINE__))
