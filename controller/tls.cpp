#include "controller/tls.hpp"

#include <chrono>
#include <ctime>

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace podfence {

namespace {

namespace asio = boost::asio;
namespace ssl = asio::ssl;

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

constexpr const char* kAgain = "it is read again at every attempt";

Trouble bad_credentials(const std::string& what, const boost::system::error_code& ec) {
    return {.cause = Trouble::Cause::credentials,
            .message = what + " is not what it should be: " + ec.message(),
            .remedy = kAgain};
}

template <class Print>
std::string printed(Print print) {
    const Bio bio(BIO_new(BIO_s_mem()), &BIO_free);
    print(bio.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return size <= 0 ? "" : std::string(data, static_cast<std::size_t>(size));
}

std::string text_of(const X509_NAME* name) {
    return printed([&](BIO* bio) { X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253); });
}

std::string text_of(const ASN1_TIME* time) {
    return printed([&](BIO* bio) { ASN1_TIME_print(bio, time); });
}

std::string names_of(X509* certificate) {
    auto* names = static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    std::string out;
    for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
        if (i > 0) out += ", ";
        out += printed([&](BIO* bio) { GENERAL_NAME_print(bio, sk_GENERAL_NAME_value(names, i)); });
    }
    GENERAL_NAMES_free(names);
    return out;
}

void note(X509_STORE_CTX* context, CertificateFault& fault) {
    fault.code = X509_STORE_CTX_get_error(context);
    X509* certificate = X509_STORE_CTX_get_current_cert(context);
    if (certificate == nullptr) return;
    fault.subject = text_of(X509_get_subject_name(certificate));
    fault.issuer = text_of(X509_get_issuer_name(certificate));
    fault.not_before = text_of(X509_get0_notBefore(certificate));
    fault.not_after = text_of(X509_get0_notAfter(certificate));
    fault.names = names_of(certificate);
}

bool is_address(const std::string& host) {
    in6_addr address{};
    return ::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

/// By the day: the same trouble then reads the same for as long as it lasts.
std::string today() {
    const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    std::string text(16, '\0');
    text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts));
    return text;
}

}  // namespace

Sourced<std::shared_ptr<ssl::context>> make_tls_context(const Credentials& credentials,
                                                        bool verify) {
    auto context = std::make_shared<ssl::context>(ssl::context::tls_client);
    SSL_CTX* native = context->native_handle();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    // An idle connection then holds no buffers of 34 KB.
    SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
    // Some servers close without saying so; the body's own end is what counts.
    SSL_CTX_set_options(native, SSL_OP_IGNORE_UNEXPECTED_EOF);
    boost::system::error_code ec;
    if (!verify) {
        context->set_verify_mode(ssl::verify_none, ec);
    } else if (credentials.ca.empty()) {
        context->set_verify_mode(ssl::verify_peer, ec);
        context->set_default_verify_paths(ec);
    } else {
        context->set_verify_mode(ssl::verify_peer, ec);
        context->add_certificate_authority(asio::buffer(credentials.ca), ec);
    }
    if (ec) return bad_credentials("the cluster's CA", ec);
    if (credentials.certificate.empty()) return context;
    context->use_certificate_chain(asio::buffer(credentials.certificate), ec);
    if (ec) return bad_credentials("the client certificate", ec);
    context->use_private_key(asio::buffer(credentials.key), ssl::context::pem, ec);
    if (ec &&
        ERR_GET_REASON(static_cast<unsigned long>(ec.value())) == X509_R_KEY_VALUES_MISMATCH) {
        return Trouble{.cause = Trouble::Cause::credentials,
                       .message = "the client key is not that of the client certificate",
                       .remedy = kAgain};
    }
    if (ec) return bad_credentials("the client key", ec);
    return context;
}

void expect_server(TlsStream& stream, const ClusterAccess& access, CertificateFault& fault) {
    const std::string& name = access.server_name;
    SSL* native = stream.native_handle();
    const bool address = is_address(name);
    if (!address) SSL_set_tlsext_host_name(native, name.c_str());
    if (!access.verify) return;
    if (address) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(native), name.c_str());
    } else {
        SSL_set1_host(native, name.c_str());
    }
    stream.set_verify_callback([&fault](bool fine, ssl::verify_context& context) {
        if (!fine) note(context.native_handle(), fault);
        return fine;
    });
}

Trouble tls_trouble(const ClusterAccess& access, const boost::system::error_code& ec,
                    const CertificateFault& fault) {
    const std::string who = "the API server at " + url_of(access);
    Trouble trouble{.cause = Trouble::Cause::untrusted};
    const std::string its = who + " has a certificate ";
    switch (fault.code) {
        case 0:
            trouble.message = "no TLS connection with " + who + ": " + ec.message();
            trouble.remedy =
                "check that the port is that of an API server, and that it takes our "
                "client certificate";
            break;
        case X509_V_ERR_CERT_HAS_EXPIRED:
            trouble.message = its + "that expired at " + fault.not_after + " (" + fault.subject +
                              "); this node's date is " + today();
            trouble.remedy = "renew it, or set this node's clock";
            break;
        case X509_V_ERR_CERT_NOT_YET_VALID:
            trouble.message = its + "that is not valid before " + fault.not_before + " (" +
                              fault.subject + "); this node's date is " + today();
            trouble.remedy = "set this node's clock";
            break;
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            trouble.message = its + "of " + (fault.names.empty() ? fault.subject : fault.names) +
                              ", and not of " + access.server_name;
            trouble.remedy = "use one of these names for the server, or say it in tls-server-name";
            break;
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
            trouble.message = its + "of a CA that is not ours (" + fault.subject + ", issued by " +
                              fault.issuer + ')';
            trouble.remedy = access.ca.path.empty()
                                 ? "give the cluster's CA in certificate-authority-data"
                                 : "check that " + access.ca.path + " is this cluster's CA";
            break;
        default:
            trouble.message = its +
                              "that is refused: " + X509_verify_cert_error_string(fault.code) +
                              " (" + fault.subject + ')';
            trouble.remedy = "mend the server's certificate";
    }
    return trouble;
}

std::string expired_since(const std::string& pem) {
    if (pem.empty()) return "";
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
    const Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr),
                                  &X509_free);
    if (!certificate) {
        ERR_clear_error();
        return "";
    }
    const ASN1_TIME* end = X509_get0_notAfter(certificate.get());
    return X509_cmp_current_time(end) < 0 ? text_of(end) : "";
}

}  // namespace podfence
