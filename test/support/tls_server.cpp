#include "test/support/tls_server.hpp"

#include <csignal>
#include <cstdio>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nft/error.hpp"

namespace podfence::test {

namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Bio memory(const std::string& text = "") {
    BIO* bio = text.empty() ? BIO_new(BIO_s_mem())
                            : BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
    return {bio, &BIO_free};
}

std::string content(const Bio& bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

Key read_key(const std::string& pem) {
    return {PEM_read_bio_PrivateKey(memory(pem).get(), nullptr, nullptr, nullptr), &EVP_PKEY_free};
}

Certificate read_certificate(const std::string& pem) {
    return {PEM_read_bio_X509(memory(pem).get(), nullptr, nullptr, nullptr), &X509_free};
}

void extend(X509* certificate, int nid, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    PODFENCE_CHECK(extension != nullptr);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

struct Wanted {
    std::string name;
    std::string san;
    std::int64_t from_s;
    std::int64_t until_s;
};

/// Self-signed without an issuer.
TestCertificate make(const Wanted& wanted, const TestCertificate* issuer) {
    static long serial = 1;
    const Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    const Certificate certificate(X509_new(), &X509_free);
    X509* x = certificate.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x), static_cast<long>(wanted.from_s));
    X509_gmtime_adj(X509_getm_notAfter(x), static_cast<long>(wanted.until_s));
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(wanted.name.c_str()), -1, -1,
                               0);
    X509_set_pubkey(x, key.get());
    extend(x, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
    if (!wanted.san.empty()) extend(x, NID_subject_alt_name, wanted.san);
    if (issuer == nullptr) {
        X509_set_issuer_name(x, X509_get_subject_name(x));
        X509_sign(x, key.get(), EVP_sha256());
    } else {
        const Certificate parent = read_certificate(issuer->certificate);
        X509_set_issuer_name(x, X509_get_subject_name(parent.get()));
        X509_sign(x, read_key(issuer->key).get(), EVP_sha256());
    }
    const Bio certificate_text = memory();
    const Bio key_text = memory();
    PEM_write_bio_X509(certificate_text.get(), x);
    PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return {.certificate = content(certificate_text), .key = content(key_text)};
}

}  // namespace

TestCa::TestCa(const std::string& name)
    : own_(make({.name = name, .san = "", .from_s = -86400, .until_s = 864000}, nullptr)) {}

TestCertificate TestCa::issue(const std::string& name, const std::string& san, std::int64_t from_s,
                              std::int64_t until_s) const {
    return make({.name = name, .san = san, .from_s = from_s, .until_s = until_s}, &own_);
}

std::string TlsServer::Peer::read_request() {
    std::string head;
    char byte = 0;
    while (!head.ends_with("\r\n\r\n")) {
        if (SSL_read(ssl_, &byte, 1) != 1) return "";
        head += byte;
    }
    return head;
}

std::string TlsServer::Peer::read(std::size_t bytes) {
    std::string body;
    char byte = 0;
    while (body.size() < bytes && SSL_read(ssl_, &byte, 1) == 1) body += byte;
    return body;
}

bool TlsServer::Peer::write(std::string_view bytes) {
    return bytes.empty() || SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
}

void TlsServer::Peer::await_close() {
    char bytes[256];
    while (SSL_read(ssl_, bytes, sizeof bytes) > 0) {}
}

std::string TlsServer::Peer::client_name() const {
    const Certificate certificate(SSL_get1_peer_certificate(ssl_), &X509_free);
    if (!certificate) return "";
    char text[256] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, text,
                              sizeof text);
    return text;
}

TlsServer::TlsServer(const TestCertificate& certificate, Script script, const std::string& address)
    : script_(std::move(script)), context_(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free) {
    SSL_CTX_use_certificate(context_.get(), read_certificate(certificate.certificate).get());
    SSL_CTX_use_PrivateKey(context_.get(), read_key(certificate.key).get());
    // Takes any client certificate, and none; what it is is for the script.
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
    sockaddr_storage storage{};
    socklen_t size = 0;
    const bool v6 = address.find(':') != std::string::npos;
    if (v6) {
        auto* in6 = reinterpret_cast<sockaddr_in6*>(&storage);
        in6->sin6_family = AF_INET6;
        in6->sin6_addr = in6addr_loopback;
        size = sizeof *in6;
    } else {
        auto* in = reinterpret_cast<sockaddr_in*>(&storage);
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        size = sizeof *in;
    }
    listener_ = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    PODFENCE_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&storage), size) == 0);
    PODFENCE_CHECK(::listen(listener_, 16) == 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&storage), &size);
    port_ = ntohs(v6 ? reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port
                     : reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
}

TlsServer::~TlsServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
        const std::lock_guard lock(mutex_);
        for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    ::close(listener_);
}

void TlsServer::accept_all() {
    while (true) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0) return;
        const std::lock_guard lock(mutex_);
        ++connections_;
        open_.push_back(fd);
        threads_.emplace_back([this, fd] { serve(fd); });
    }
}

void TlsServer::serve(int fd) {
    sigset_t broken_pipe{};  // a client that goes away is no reason to die
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    SSL* ssl = SSL_new(context_.get());
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        Peer peer(ssl);
        script_(peer);
    }
    SSL_free(ssl);
    const std::lock_guard lock(mutex_);
    open_.remove(fd);
    ::close(fd);
}

std::string http_answer(int status, std::string_view body, const std::string& more_headers) {
    return "HTTP/1.1 " + std::to_string(status) + " Because\r\nContent-Type: application/json\r\n" +
           more_headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           std::string(body);
}

std::string http_chunked_head() {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: "
           "chunked\r\n\r\n";
}

std::string http_chunk(std::string_view data) {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    return size + std::string(data) + "\r\n";
}

}  // namespace podfence::test
