#pragma once

#include <memory>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include "controller/kube_config.hpp"

namespace podfence {

/// PEM texts and the token as they are at the moment.
struct Credentials {
    std::string ca{};
    std::string certificate{};
    std::string key{};
    std::string token{};
    /// Whether a connection made with one of two is as good as one made with the other: tokens go
    /// with every request.
    bool same_connection(const Credentials& other) const {
        return ca == other.ca && certificate == other.certificate && key == other.key;
    }
};

using TlsStream = boost::asio::ssl::stream<boost::beast::tcp_stream>;

/// TLS 1.2 or newer with these CAs, or without any check when `verify` is false. Errors:
/// credentials, when one of the texts is not what it should be.
Sourced<std::shared_ptr<boost::asio::ssl::context>> make_tls_context(const Credentials& credentials,
                                                                     bool verify);

/// Why a server's certificate was refused, as the check found it.
struct CertificateFault {
    int code = 0;  ///< X509_V_ERR_...; 0: none.
    std::string subject{};
    std::string issuer{};
    std::string not_before{};
    std::string not_after{};
    std::string names{};  ///< "DNS:kubernetes, IP Address:10.96.0.1"
};

/// Makes the stream check that the server is who it should be; what is wrong goes to `fault`, which
/// must outlive the handshake.
void expect_server(TlsStream& stream, const ClusterAccess& access, CertificateFault& fault);

/// Why a handshake failed, in words for an operator.
Trouble tls_trouble(const ClusterAccess& access, const boost::system::error_code& ec,
                    const CertificateFault& fault);

/// "Nov 21 12:00:00 2026 GMT" when the PEM certificate has expired; empty: it has not, or is none.
std::string expired_since(const std::string& certificate_pem);

}  // namespace podfence
